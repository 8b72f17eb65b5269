"""What a preprocessing did to pixels last, their normalization, and how to undo it.

A file that normalizes pixels itself is given what is left once the model's own normalization is
undone. Undone with another mean than the model's, the file may still answer as the model does, if
the file has that other mean: in use, where it is given pixels, it would not. So what is left must
be pixels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitbench.models.described import SIZES, describe, picture
from vitbench.models.preprocess import Preprocess

NEAR = 0.02  # of a level: what float32 rounds


def undone(preprocess: Preprocess) -> dict[str, Any]:
    """The mean and standard deviation that pixels of 0 to 255 were normalized with, once divided
    by 255; {} where that is not known, or is not what was done."""
    steps, _, _ = describe(preprocess)
    if steps is None or steps["scale"] != 255.0:
        return {}
    return {"mean": steps["mean"], "std": steps["std"]}


def gives_pixels(
    preprocess: Preprocess, mean: Sequence[float], std: Sequence[float], factor: float | None
) -> bool:
    """Whether a preprocessed picture is whole numbers from 0 to 255, once `mean` and `std`, if
    any, are undone and it is multiplied by `factor`; None: 255 where it is at most 1."""
    made = preprocess(picture(*SIZES[0])).astype(np.float64)
    if mean:
        made = made * np.reshape(std, (-1, 1, 1)) + np.reshape(mean, (-1, 1, 1))
    if factor is None:
        factor = 255.0 if made.max() < 1.5 else 1.0
    levels = made * factor
    near = np.abs(levels - np.rint(levels)).max() <= NEAR
    return bool(near and levels.min() >= -NEAR and levels.max() <= 255 + NEAR)
