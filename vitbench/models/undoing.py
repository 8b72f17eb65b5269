"""What a preprocessing does to the values of pixels, and so how to undo it.

A file that normalizes pixels itself is given what is left once the model's own normalization is
undone. Undone with another mean than the model's, such a file may still answer as the model does,
if the file has that other mean: in use, where it is given pixels, it would not.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.models.preprocess import Preprocess

SIZE = (320, 240)  # width and height of what is asked
DIGITS = 6  # of float32


def undone(preprocess: Preprocess) -> Mapping[str, list[float]]:
    """`mean` and `std`, a number a channel, for which x * std + mean is 0 where a picture is black
    and 1 where it is white, x being what the preprocessing makes of it.

    Whatever resizes and crops, a black picture stays black. {} where black does not become less
    than white: what the preprocessing does is then no normalization.
    """
    black, white = (_value(preprocess, colour) for colour in ("black", "white"))
    span = white - black
    if not (np.isfinite(span) & (span > 0)).all():
        return {}
    return {"mean": _rounded(-black / span), "std": _rounded(1 / span)}


def _value(preprocess: Preprocess, colour: str) -> NDArray[np.float64]:
    """What most pixels of a picture of one colour become, by channel."""
    made = preprocess(Image.new("RGB", SIZE, colour)).astype(np.float64)
    return np.asarray(np.median(made, axis=(1, 2)))


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), DIGITS) + 0.0 for value in values]
