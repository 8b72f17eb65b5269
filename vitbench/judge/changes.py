"""Where a series changed: looked at after every run, calibrated so that nearly nothing is false.

A series is replayed run by run. At each look the last `m` values, for m in SPANS, are held against
all values since the last change. The threshold of a look makes all looks together give a false
change in at most 1 % of null series (`python -m vitbench.tests.change_points_rates` measures it,
with independent and with correlated neighbours). So a change that was told stays told.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[Any]

# Values after a change that are held against those before. Found "within 5 runs" is span 5.
SPANS = (3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96)
# Two-sided p of one look below which it is a change, by simulation. Span 5 gets most of what may be
# spent, because a change should be told within five runs.
LEVEL_OF_FIVE, LEVEL = 2.2e-4, 2e-6
# Where neighbours correlate, or where a series is too short to show whether they do.
CORRELATED_LEVEL, SHORT_LEVEL = 4e-6, 1e-4
# Later looks are stricter, so that the sum over all that ever come stays finite.
LOOKS = 106
LEAST_BEFORE = 10
# Too short a series cannot show how its neighbours correlate; then this is assumed.
ASSUMED_CORRELATION = 0.5
TOLD_CORRELATION = 90
# Standard errors (1 / sqrt n) above 0 from which an estimated correlation is not taken for chance.
NOT_CHANCE = 1.6
# One run gone wrong is no change: without its most extreme value the span must still stand out.
WITHOUT_EXTREME = 2.5
FALSE_PER_SERIES = 0.01


@dataclass(frozen=True)
class Change:
    """A change between the values `at - 1` and `at` of a series, first told at value `told`.

    `size` is the difference of the means, in units of the series, bounded by `low` and `high` at
    95 %, widened for the correlation of neighbours. `p` bounds the chance that a series without
    change gives one as clear, all looks counted: FALSE_PER_SERIES where it is only just told.
    """

    at: int
    told: int
    size: float
    low: float
    high: float
    p: float


def changes(series: ArrayLike) -> list[Change]:
    """The changes of finite values (n,) in the order of their runs; [] for a short series.

    Student's t of means before and after, whose standard error is widened by the lag-1
    correlation (AR(1) variance of a mean), replayed with restarts at each change as in binary
    segmentation. Source: the sequential use of a two-sample test, Page, Biometrika 41 (1954);
    the variance of an AR(1) mean, Box, Jenkins and Reinsel, Time Series Analysis, ch. 2.
    """
    values = np.asarray(series, dtype=float)
    found: list[Change] = []
    start = 0
    while len(values) - start >= LEAST_BEFORE + SPANS[0]:
        alarm = _first_alarm(values[start:])
        if alarm is None:
            break
        end, at = alarm
        found.append(_describe(values[start:], at, end, start))
        start += at
    return [_until_next(values, found, index) for index in range(len(found))]


def _first_alarm(values: Floats) -> tuple[int, int] | None:
    """How many values had been seen at the first alarm, and where the change is. None: none."""
    best: tuple[int, int] | None = None
    for span in SPANS:
        ends, ratio = ratios(values, span)
        told = np.flatnonzero(ratio <= 1)
        if told.size and (best is None or ends[told[0]] < best[0]):
            best = (int(ends[told[0]]), span)
    if best is None:
        return None
    end, span = best
    return end, _place(values[:end], span)


def ratios(values: Floats, span: int) -> tuple[Floats, Floats]:
    """Of each look: values seen so far, and p of the last `span` over its level (<= 1: told)."""
    from scipy.special import stdtr

    ends = np.arange(LEAST_BEFORE + span, len(values) + 1)
    # A short span says too little of a long series, and a long one too little of a short series.
    ends = ends[ends >= 2 * span]
    if not ends.size:
        return ends, np.empty(0)
    t, trimmed, freedom, correlation = _statistics(values, ends, span)
    p = 2 * stdtr(freedom, -np.abs(t))
    told = trimmed * np.sign(t) >= WITHOUT_EXTREME
    return ends, np.where(told, p / level(ends, span, correlation), np.inf)


def level(n: Floats, span: int, correlation: Floats) -> Floats:
    """The threshold of p for a look at n values."""
    clear = LEVEL_OF_FIVE if span == 5 else LEVEL
    base = np.where(correlation > 0, CORRELATED_LEVEL, clear)
    base = np.where(n < TOLD_CORRELATION, SHORT_LEVEL, base)
    stricter: Floats = base * np.minimum(1.0, LOOKS / n) ** (4 if span < 12 else 2)
    return stricter


def _statistics(values: Floats, ends: Floats, span: int) -> tuple[Floats, ...]:
    """Of each look: t of the last `span`, t without their most extreme value, degrees of freedom,
    and the correlation allowed for."""
    # About the median, so that sums of squares lose no digits.
    x = values - np.median(values)
    sums, squares = _cumulative(x), _cumulative(x * x)
    products = _cumulative(x[1:] * x[:-1])
    before, starts = ends - span, ends - span
    early, late = sums[starts], sums[ends] - sums[starts]
    early_mean, late_mean = early / before, late / span
    residual = squares[ends] - before * early_mean**2 - span * late_mean**2
    variance = np.maximum(residual, 1e-30) / (ends - 2)
    # Lag-1 products about each part's own mean; the pair across the change is left out.
    lagged = products[starts - 1] - early_mean * (2 * early - x[0] - x[starts - 1])
    lagged += (before - 1) * early_mean**2
    lagged += products[ends - 1] - products[starts]
    lagged += (span - 1) * late_mean**2 - late_mean * (2 * late - x[starts] - x[ends - 1])
    correlation = _correlation(lagged / np.maximum(residual, 1e-30), ends)
    error = np.sqrt(variance * (_mean_variance(span, correlation)
                                + _mean_variance(before, correlation)))  # fmt: skip
    difference = late_mean - early_mean
    windows = np.lib.stride_tricks.sliding_window_view(x, span)[starts]
    extreme = np.where(difference > 0, windows.max(axis=1), windows.min(axis=1))
    rest = (late - extreme) / (span - 1) - early_mean
    freedom = np.maximum(3.0, (ends - 2) * (1 - correlation) / (1 + correlation))
    return difference / error, rest / error, freedom, correlation


def _correlation(estimate: Floats, n: Floats) -> Floats:
    """The lag-1 correlation to allow for: 0 where it could be chance, 0.5 where n is small.

    Corrected for the bias of short series, (1 + 4 rho) / n (Kendall 1954).
    """
    corrected = (estimate + 1 / n) / (1 - 4 / n)
    allowed = np.where(corrected > NOT_CHANCE / np.sqrt(n), np.clip(corrected, 0.0, 0.9), 0.0)
    return np.where(n < TOLD_CORRELATION, np.maximum(ASSUMED_CORRELATION, allowed), allowed)


def _mean_variance(n: Floats | int, correlation: Floats) -> Floats:
    """Variance of the mean of n neighbours, each of variance 1 with AR(1) `correlation`."""
    r = correlation
    variance: Floats = (1 + 2 * r / (1 - r) * (1 - (1 - r**n) / (n * (1 - r)))) / n
    return variance


def _cumulative(x: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(x)))


def _place(values: Floats, span: int) -> int:
    """The split of the last 2 x span values that leaves the least squares about two means."""
    return _split(values, max(LEAST_BEFORE, len(values) - 2 * span), len(values) - SPANS[0])


def _split(values: Floats, first: int, last: int) -> int:
    """The split from `first` to `last` that leaves the least squares about two means."""
    sums, n = _cumulative(values - values.mean()), len(values)
    splits = np.arange(first, last + 1)
    gain = sums[splits] ** 2 * n / (splits * (n - splits))
    return int(splits[np.argmax(gain)])


def _describe(values: Floats, at: int, end: int, start: int) -> Change:
    ratio = min(float(ratios(values[:end], span)[1][-1:].min(initial=np.inf)) for span in SPANS)
    return Change(start + at, start + end - 1, 0.0, 0.0, 0.0, FALSE_PER_SERIES * min(1.0, ratio))


def _until_next(values: Floats, found: list[Change], index: int) -> Change:
    """The change with all that is known by now: from the change before it to the one after it."""
    from scipy.special import stdtr, stdtrit

    start = found[index - 1].at if index else 0
    stop = found[index + 1].at if index + 1 < len(found) else len(values)
    change = found[index]
    # With what came after, the place is better known than when it was told.
    near = change.at - start
    first, last = max(2, near - SPANS[0]), min(stop - start - 2, near + SPANS[0])
    at = start + _split(values[start:stop], first, max(first, last))
    before, after = values[start:at], values[at:stop]
    residuals = np.concatenate([before - before.mean(), after - after.mean()])
    total = max(float(residuals @ residuals), 1e-30)
    lagged = float(residuals[1:] @ residuals[:-1]) / total
    r = _correlation(np.array([lagged]), np.array([float(len(residuals))]))
    freedom = float(np.maximum(3.0, (len(residuals) - 2) * (1 - r) / (1 + r))[0])
    scale = _mean_variance(len(before), r) + _mean_variance(len(after), r)
    error = math.sqrt(total / max(1, len(residuals) - 2) * float(scale[0]))
    size, wide = float(after.mean() - before.mean()), float(stdtrit(freedom, 0.975)) * error
    # Later runs may make it clearer; the level of a look that far on is the stricter one.
    strict = float(level(np.array([max(LOOKS, stop - start)]), SPANS[-1], r)[0])
    p = FALSE_PER_SERIES * 2 * float(stdtr(freedom, -abs(size) / max(error, 1e-300))) / strict
    return Change(at, change.told, size, size - wide, size + wide, min(change.p, p))
