"""Whether what a file of another tool is given are the pixels that its `input` says they are."""

from typing import Any

import numpy as np

from vitbench.errors import UserError
from vitbench.models import Model
from vitbench.models.undoing import undone
from vitbench.runtimes import Variant, foreign

NEAR = 4e-4  # of the range from black to white: a tenth of one of 255 levels


def require_pixels(model: Model, row: Variant) -> None:
    """Raises UserError where `input` says that the file takes pixels, and undoes what the model's
    preprocessing did not do: black is 0, and white is 255, or 1 for a file of floating point."""
    found = foreign.described(row.input, row.name)
    whole, known = found.dtype == "uint8", undone(model.preprocess)
    if not known or not (found.mean or whole):
        return
    given = np.array(found.mean or (0.0,)), np.array(found.std or (1.0,))
    mean, std = np.array(known["mean"]), np.array(known["std"])
    if given[0].size not in (1, mean.size):
        raise UserError(
            f"{row.name}: input.mean has {given[0].size} channels, and the model's images have "
            f"{mean.size}"
        )
    black, white = ((value - mean) / std * given[1] + given[0] for value in (0.0, 1.0))
    ends = [255.0 / found.factor] if whole else [1.0, 255.0]
    if any(_same(black, 0.0, end) and _same(white, end, end) for end in ends):
        return
    write: dict[str, Any] = {**row.input, **known}
    if whole:
        write.pop("scale", None)
    raise UserError(
        f"{row.name}: with input.mean, input.std and input.scale undone, black and white of the "
        f"model's images are no 0 and 255: its preprocessing has other values: write input = "
        f"{foreign.toml(write)}"
    )


def _same(found: Any, wanted: float, end: float) -> bool:
    return bool((np.abs(found - wanted) <= NEAR * end).all())
