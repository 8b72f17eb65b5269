"""Whether what a file of another tool is given are the pixels that its `input` says they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vitbench.errors import UserError
from vitbench.models import Model
from vitbench.models.undoing import gives_pixels, undone
from vitbench.runtimes import Variant, foreign


def require_pixels(model: Model, row: Variant) -> None:
    """Raises UserError where `input` says that the file takes pixels, and undoes what the model's
    preprocessing did not do."""
    found = foreign.described(row.input, row.name)
    whole = found.dtype == "uint8"
    if not (found.mean or whole):
        return
    if gives_pixels(model.preprocess, found.mean, found.std, found.factor if whole else None):
        return
    known, given = undone(model.preprocess), dict(row.input)
    if whole:
        given.pop("scale", None)
    if known and found.mean and given == row.input and _near(known, found):
        return  # it resizes in floating point: what is left are pixels but for their rounding
    write = f"write input = {foreign.toml({**given, **known})}" if known else (
        "give the mean and std that the preprocessing has"
    )  # fmt: skip
    raise UserError(
        f"{row.name}: what is left of an image once input.mean, input.std and input.scale are "
        f"undone are no pixels, so the model's preprocessing has others: {write}"
    )


def _near(known: Mapping[str, Any], found: foreign.Description) -> bool:
    pairs = ((known["mean"], found.mean), (known["std"], found.std))
    return all(len(a) == len(b) and np.allclose(a, b, atol=1e-4) for a, b in pairs)
