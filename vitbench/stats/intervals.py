"""The statistics that verdicts rest on. Arrays in, numbers out; each method with its source."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
# Images of one photograph fall together. Where nothing disagrees, how much cannot be estimated.
ASSUMED_ICC = 0.2
POWER = 0.80
MOST_LOG = 600.0  # an exponential of more is no float


def clopper_pearson(
    matched: float, n: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper bound of a share, each one-sided at `confidence`.

    `matched` of `n` may be real-valued (effective sizes): the bounds are quantiles of the beta
    distribution. Lower is 0 where nothing matched, upper is 1 where everything did, and both
    hold for n = 0. Source: Clopper and Pearson, Biometrika 26 (1934); for real-valued sizes
    Korn and Graubard, Survey Methodology 24 (1998).
    """
    from scipy.special import betaincinv

    missed = n - matched
    lower = float(betaincinv(matched, missed + 1, 1 - confidence)) if matched > 0 else 0.0
    upper = float(betaincinv(matched + 1, missed, confidence)) if missed > 0 else 1.0
    return lower, upper


def effective_size(hits: ArrayLike, clusters: Sequence[str]) -> float:
    """How many independent images `hits`, bool (n,), are worth; `clusters` names n photographs.

    `clustered_size` with the intraclass correlation that the hits show, or the assumed 0.2
    where that is greater: when nothing disagrees the correlation cannot be estimated, and when
    little does the estimate says little.
    """
    return clustered_size(clusters, max(ASSUMED_ICC, _intraclass_correlation(hits, clusters)))


def clustered_size(clusters: Sequence[str], icc: float) -> float:
    """How many independent images one image per entry of `clusters` is worth, between 1 and n.

    n over Kish's design effect 1 + icc (sum m^2 / n - 1), with m images in each cluster, times
    (t_{n-1} / t_{clusters-1})^2 at one-sided 95 %, for the degrees of freedom that clusters
    leave. n itself where no two images share a cluster, 1 where all do. Falls as icc grows.
    Source: Kish, Survey Sampling (1965); Korn and Graubard, Survey Methodology 24 (1998).
    """
    from scipy.special import stdtrit

    n, sizes = len(clusters), list(Counter(clusters).values())
    if len(sizes) == n:
        return float(n)
    if len(sizes) == 1:
        return 1.0
    design_effect = 1 + icc * (sum(size**2 for size in sizes) / n - 1)
    freedom = stdtrit(n - 1, CONFIDENCE) / stdtrit(len(sizes) - 1, CONFIDENCE)
    return max(1.0, float(n / design_effect * freedom**2))


def _intraclass_correlation(hits: ArrayLike, clusters: Sequence[str]) -> float:
    """The one-way ANOVA estimate, 0 where it is undefined. Source: Donner, Int. Stat. Rev. 1986."""
    values = np.asarray(hits, dtype=float)
    _, member, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    n, k = len(values), len(sizes)
    if k in (n, 1) or np.ptp(values) == 0:
        return 0.0
    means = np.bincount(member, values) / sizes
    between = float(np.sum(sizes * (means - values.mean()) ** 2)) / (k - 1)
    within = float(np.sum((values - means[member]) ** 2)) / (n - k)
    size = (n - float(np.sum(sizes**2)) / n) / (k - 1)
    return (between - within) / (between + (size - 1) * within)


def error_upper(deltas: ArrayLike, spreads: ArrayLike, clusters: Sequence[str]) -> float:
    """One-sided 95 % upper bound of sqrt(sum deltas / sum spreads), both (n,) and not negative.

    A jackknife that leaves out one cluster at a time, of the logarithm of the ratio, with Student's
    t of clusters - 1 degrees of freedom. Infinite of fewer than two clusters, and where the spreads
    of all but one are nothing; 0 where the deltas are nothing. Simulated with 20 to 100 clusters
    (tests/fidelity/regression_coverage.py), it covers the truth 95 % of the time where errors are
    normal and alike in all images, 90 % where their size varies by a factor of e^0.5 from image to
    image, and 73 to 75 % by a factor of e; without the logarithm less often.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11; of clusters
    Wolter, Introduction to Variance Estimation (2007), chapter 4.
    """
    from scipy.special import stdtrit

    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    above, below = (np.bincount(member, np.asarray(each, float)) for each in (deltas, spreads))
    k = len(above)
    if k < 2 or not above.sum():
        return 0.0 if k and not above.sum() else math.inf
    if (below.sum() - below <= 0).any():
        return math.inf
    rest = np.maximum(above.sum() - above, np.finfo(float).tiny)
    left = np.log(rest) - np.log(below.sum() - below)
    error = math.sqrt((k - 1) / k * float(np.square(left - left.mean()).sum()))
    wide = math.log(above.sum() / below.sum()) + float(stdtrit(k - 1, CONFIDENCE)) * error
    return math.exp(wide / 2) if wide < MOST_LOG else math.inf


@dataclass(frozen=True)
class PairedRatio:
    """How many times as fast as its reference a case ran, within one process.

    `speedup` is reference over case; `low` and `high` bound it at 95 %; `standard_error` is of
    log(speedup); `detectable` is the smallest relative change seen with 80 % power (0.01 is
    1 %). Those four are None where there are fewer rounds than batches were asked for.
    """

    speedup: float
    low: float | None
    high: float | None
    standard_error: float | None
    detectable: float | None
    batches: int
    rounds: int


def paired_ratio(
    case_seconds: ArrayLike, reference_seconds: ArrayLike, batches: int = 20
) -> PairedRatio:
    """The speed-up over rounds in the order they ran, both (rounds,) in seconds.

    The estimate is exp of the mean of batch means of log(reference / case); the interval is
    Student's t over the batch means; `detectable` is exp((t.975 + t.80) SE) - 1, both with
    batches - 1 degrees of freedom. Neighbouring rounds resemble each other, batch means less so,
    but only long batches cure it: simulated, 20 batches of 1, 5 and 10 rounds cover the truth
    96, 95 and 95 % of the time where rounds are independent, 75, 92 and 94 % where they are
    AR(1) with coefficient 0.5, and 31, 63 and 77 % with 0.9.
    Raises ValueError where the two differ in length or hold no positive times.
    Source: Law and Kelton, Simulation Modeling and Analysis; Kalibera and Jones, ISMM 2013.
    """
    from scipy.special import stdtrit

    case = np.asarray(case_seconds, dtype=float)
    reference = np.asarray(reference_seconds, dtype=float)
    if case.shape != reference.shape or not case.size or min(case.min(), reference.min()) <= 0:
        raise ValueError("paired_ratio wants as many positive reference times as case times")
    means = _batch_means(np.log(reference / case), batches)
    estimate, rounds = float(means.mean()), len(case)
    if rounds < batches:
        return PairedRatio(math.exp(estimate), None, None, None, None, len(means), rounds)
    error = float(means.std(ddof=1)) / math.sqrt(batches)
    wide, powered = stdtrit(batches - 1, 0.975), stdtrit(batches - 1, POWER)
    return PairedRatio(
        speedup=math.exp(estimate),
        low=math.exp(estimate - wide * error),
        high=math.exp(estimate + wide * error),
        standard_error=error,
        detectable=math.expm1((wide + powered) * error),
        batches=batches,
        rounds=rounds,
    )


def _batch_means(values: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
    """Means of consecutive batches of almost equal size; single values where there are fewer."""
    parts = np.array_split(values, min(batches, len(values)))
    return np.array([part.mean() for part in parts])
