"""Whether a recipe that keeps its limits on some images should keep them on others, too. Pure."""

import math

from vitbench.blame.trial import Trial
from vitbench.case import Limits
from vitbench.stats.intervals import clopper_pearson

SURE = 0.95
SLACK = 0.9
"""Of the limit of a relative error, and of the distance of a cosine from 1."""


def most_misses(images: float, share: float) -> int:
    """The most images that may answer otherwise where the lower bound of the agreement still
    reaches `share`; -1 where even none is too many."""
    misses = -1
    while misses + 1 < images and clopper_pearson(images - misses - 1, images)[0] >= share:
        misses += 1
    return misses


def chance(matched: float, images: float, others: float, share: float) -> float:
    """How likely the agreement on `others` images is proven to be at least `share`, where `matched`
    of `images` agreed here: the predictive distribution of a binomial share with Jeffreys' prior.

    Sizes may be effective ones. Source: Aitchison and Dunsmore, Statistical Prediction Analysis
    (1975), chapter 2.
    """
    count, allowed = round(others), most_misses(others, share)
    a, b = max(0.0, images - matched) + 0.5, matched + 0.5  # of a miss
    total = sum(
        math.exp(
            math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
            + _log_beta(a + k, b + count - k) - _log_beta(a, b)
        )
        for k in range(min(allowed, count) + 1)
    )  # fmt: skip
    return min(1.0, total)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def keeps(trial: Trial, limits: Limits) -> bool:
    """Whether a recipe keeps its limits here, the numeric ones with SLACK."""
    return trial.agreement.state == "KEPT" and _slack(trial, limits)


def _slack(trial: Trial, limits: Limits) -> bool:
    """Of error, cosine, and the upper bound of a regression's error."""
    found = trial.agreement
    cosine = found.cosine if found.centred_cosine is None else found.centred_cosine
    error = trial.error
    if found.claimed and found.error_upper is not None:
        error = found.error_upper
    if not error <= SLACK * limits.relative_error:
        return False
    return not (math.isfinite(cosine) and 1 - cosine > SLACK * (1 - limits.cosine))


def keeps_with_margin(trial: Trial, limits: Limits, others: float, share: float) -> bool:
    """Whether a recipe should keep its limits on `others` images (an effective number): the numeric
    ones with SLACK, the agreement `share` with a chance of SURE, or of what it would be if all
    images agreed here, where that is less. Synthetic weights, and a head without answers, have no
    agreement to ask this of."""
    found = trial.agreement
    if found.state == "BROKEN" or not _slack(trial, limits):
        return False
    if not found.claimed or not trial.hits:
        return True
    images = found.effective_images
    best = chance(images, images, others, share)
    return chance(found.share * images, images, others, share) >= min(SURE, best)
