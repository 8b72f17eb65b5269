"""What was measured of a recipe with some layers in float, and how two such recipes differ."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from vitbench.judge.agreement import Agreement
from vitbench.stats.multiplicity import mcnemar_exact


@dataclass(frozen=True)
class Trial:
    """A recipe whose `floats`, names of layers, stay in float, on some images, beside float32.

    `agreement` is judged by the limits of the recipe. By image: `delta_square` |logits -
    reference|^2, and `hits`, whether it has the reference's answer, empty of a head that answers
    nothing. `clusters` are the photographs that the images are cut from. `seconds` it took, of
    which `build_seconds` passed before the first image, whatever the number of images.
    """

    floats: frozenset[str]
    agreement: Agreement
    delta_square: tuple[float, ...]
    hits: tuple[bool, ...]
    clusters: tuple[str, ...]
    seconds: float
    build_seconds: float = 0.0

    @property
    def error(self) -> float:
        """The relative error of the outputs; infinite where those of any image are not finite
        numbers, which the error of the agreement leaves out."""
        found = self.agreement.relative_error
        return found if np.isfinite([found, *self.delta_square]).all() else math.inf


@dataclass(frozen=True)
class Refusal:
    """Why a recipe was not measured: what its build or its call said."""

    floats: frozenset[str]
    reason: str


Ask: TypeAlias = Callable[[frozenset[str], Sequence[int]], "Trial | Refusal"]
"""Measures the recipe with these layers in float on the images of these numbers."""


@dataclass(frozen=True)
class Gain:
    """What a recipe wins over another one on the same images.

    `won` images have the reference's answer now alone, `lost` had it before alone; `p_value` is
    that of so many won by chance (exact McNemar test, one-sided, counts divided by the design
    effect of crops of one photograph). `error` is how much smaller the
    relative error is, `noise` the standard error of that difference.
    """

    won: int
    lost: int
    p_value: float
    error: float
    noise: float

    @property
    def proven(self) -> bool:
        """Whether the error is smaller by more than two standard errors."""
        return self.error > 2 * self.noise


def gain(before: Trial, after: Trial) -> Gain:
    """Both on the same images. The noise is a jackknife over photographs of sqrt(sum of
    delta_square), each divided by what makes it the relative error.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11.
    """
    was, now = np.array(before.hits, bool), np.array(after.hits, bool)
    won, lost = int((now & ~was).sum()), int((was & ~now).sum())
    worth = min(1.0, after.agreement.effective_images / max(1, after.agreement.images))
    return Gain(
        won=won,
        lost=lost,
        p_value=mcnemar_exact(won * worth, lost * worth),
        error=before.error - after.error if math.isfinite(before.error) else math.inf,
        noise=_noise(before, after),
    )


def _noise(before: Trial, after: Trial) -> float:
    if not (math.isfinite(before.error) and math.isfinite(after.error)):
        return math.nan
    _, member = np.unique(np.asarray(before.clusters), return_inverse=True)
    sums = [np.bincount(member, np.asarray(each.delta_square)) for each in (before, after)]
    k = len(sums[0])
    if k < 2:
        return math.nan
    # |reference| cancels but for its own spread over photographs, which is the same in both.
    scales = [
        trial.error / math.sqrt(total.sum()) if total.sum() else 0.0
        for trial, total in zip((before, after), sums, strict=True)
    ]
    rest = [
        scale * np.sqrt(np.maximum(total.sum() - total, 0.0) * k / (k - 1))
        for scale, total in zip(scales, sums, strict=True)
    ]
    left = rest[0] - rest[1]
    return math.sqrt((k - 1) / k * float(np.square(left - left.mean()).sum()))
