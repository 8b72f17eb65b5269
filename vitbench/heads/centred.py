"""The centred relative error: |own - reference| / |reference - its mean|. A constant scores 1.

The mean of the reference is taken over the sample, output by output, so that what all images have
in common hides nothing. (It is the root of what statistics call the fraction of variance
unexplained, 1 - R^2: Draper and Smith, Applied Regression Analysis, 1998.)
"""

import math

import numpy as np

from vitbench.case import Limits
from vitbench.heads.base import Measured, Pair
from vitbench.heads.words import rounded

FLAT = 1e-6
"""A spread below this share of an output's size is rounding: float32 has 24 bits."""


def delta_square(pair: Pair) -> list[float]:
    """|own - reference|^2 of each image."""
    return rounded(np.square(pair.own - pair.reference).sum(1))


ALIKE = "the reference answers all images alike: give others with --images=DIR"


def flat(measured: Measured) -> bool:
    """Whether the reference does not vary over the sample: then nothing can be proven."""
    return bool(sum(measured["spread_square"]) <= FLAT**2 * sum(measured["reference_square"]))


def centred_error(measured: Measured, images: int) -> float:
    """The error of what is measured over the spread of the first `images`; over their size where
    the reference is flat, since that is all that is known. NaN where nothing was measured."""
    if not measured["delta_square"]:
        return math.nan
    key = "reference_square" if flat(measured) else "spread_square"
    return ratio(sum(measured["delta_square"]), sum(measured[key][:images]))


def ratio(deltas: float, spreads: float) -> float:
    """The root of deltas over spreads, both sums of squares."""
    if not spreads:
        return math.inf if deltas else 0.0
    return math.sqrt(deltas / spreads)


def over(error: float, limits: Limits, what: str = "centred relative error") -> list[str]:
    """A phrase where an error is over its limit."""
    if error <= limits.relative_error:
        return []
    return [f"{what} {error:.4g}, limit at most {limits.relative_error:g}"]


def doomed(measured: Measured, limits: Limits) -> bool:
    """Whether the error is over its limit even if no more image differs."""
    return bool(over(centred_error(measured, measured["total"]), limits)) and bool(
        measured["delta_square"]
    )
