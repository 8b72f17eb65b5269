"""One look at the runs so far: did the last ones change? Two rules, calibrated together.

A step: the last `m` values, for m in SPANS, against all before them. A gradual change: the mean of
the last LAST values against that of the first FIRST. The levels of both make all looks together
false in at most 1 % of null series (`python -m tests.fidelity.change_points_rates` measures it,
with independent and with correlated neighbours).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.stats.ramp import Floats, residuals

# Values after a change against those before. Found "within 5 runs" is span 5.
SPANS = (3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96)
# Two-sided p of one look below which it is a change, by simulation. Span 5 gets most of what may be
# spent, because a change should be detected within five runs.
LEVEL_OF_FIVE, LEVEL = 1.8e-4, 2e-6
# Where neighbours correlate, or where a series is too short to show whether they do.
CORRELATED_LEVEL, SHORT_LEVEL = 3.2e-6, 8e-5
# A gradual change needs less than its share: a creep doubles in size while a step stays.
TREND_LEVEL = 3e-5
# Later looks are stricter, so that the sum over all that ever come stays finite.
LOOKS = 106
LEAST_BEFORE = 10
FIRST_RUNS, LAST_RUNS = 10, 5
# Too short a series cannot show how its neighbours correlate; then this is assumed.
ASSUMED_CORRELATION = 0.5
TOLD_CORRELATION = 90
# Standard errors (1 / sqrt n) above 0 from which an estimated correlation is not taken for chance.
NOT_CHANCE = 1.6
# One run gone wrong is no change: without its most extreme value the span must still stand out.
WITHOUT_EXTREME = 2.5
# No level asks for less: looks below it need no exact p.
LEAST_T = 3.3


def first_alarms(values: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of each series (m, n): how many values had been seen at its first alarm, 0 where there is
    none, and the span that stood out, 0 where it was the trend."""
    count = len(values)
    ends, spans = np.zeros(count, np.intp), np.zeros(count, np.intp)
    for span in (*SPANS, 0):
        looks, ratio = ratios(values, span) if span else trend_ratios(values)
        for index in np.flatnonzero((ratio <= 1).any(axis=1)):
            for look in looks[ratio[index] <= 1]:
                if ends[index] and look >= ends[index]:
                    break
                if span or confirmed(values[index, :look]):
                    ends[index], spans[index] = look, span
                    break
    return ends, spans


def ratios(values: Floats, span: int) -> tuple[Floats, Floats]:
    """The rule for steps, of series (..., n): values seen at each look (k,), and p of the last
    `span` of them over its level (..., k): a change where <= 1, inf where it is far from one.

    Student's t of means before and after, whose standard error is widened by the lag-1
    correlation. Source: the sequential use of a two-sample test, Page, Biometrika 41 (1954);
    the variance of an AR(1) mean, Box, Jenkins and Reinsel, Time Series Analysis, ch. 2.
    """
    # A short span says too little of a long series, and a long one too little of a short series.
    ends = np.arange(max(LEAST_BEFORE + span, 2 * span), values.shape[-1] + 1)
    if not ends.size:
        return ends, np.empty((*values.shape[:-1], 0))
    t, trimmed, freedom, correlation = _statistics(values, ends, span)
    p = _p(t, trimmed, freedom)
    return ends, p / level(ends, span, correlation)


def trend_ratios(values: Floats) -> tuple[Floats, Floats]:
    """The rule for gradual changes: as `ratios`, but where it is <= 1 `confirmed` decides.

    The error is that of an AR(1) series of ASSUMED_CORRELATION with the variance of successive
    differences, which a slow change does not widen (von Neumann, Ann. Math. Stat. 12, 1941).
    """
    ends = np.arange(FIRST_RUNS + LAST_RUNS, values.shape[-1] + 1)
    if not ends.size:
        return ends, np.empty((*values.shape[:-1], 0))
    x = values - np.median(values, axis=-1, keepdims=True)
    sums, steps = _cumulative(x), _cumulative(np.diff(x, axis=-1) ** 2)
    start, last = x[..., :FIRST_RUNS], _windows(x, LAST_RUNS)[..., ends - LAST_RUNS, :]
    early, late = sums[..., FIRST_RUNS, None], sums[..., ends] - sums[..., ends - LAST_RUNS]
    difference = late / LAST_RUNS - early / FIRST_RUNS
    variance = steps[..., ends - 1] / (ends - 1) / 2 / (1 - ASSUMED_CORRELATION)
    error = np.sqrt(np.maximum(variance, 1e-30) * _trend_scale(ASSUMED_CORRELATION))
    up = difference > 0
    lowest, highest = start.min(-1)[..., None], start.max(-1)[..., None]
    rest = (late - np.where(up, last.max(-1), last.min(-1))) / (LAST_RUNS - 1)
    rest = rest - (early - np.where(up, lowest, highest)) / (FIRST_RUNS - 1)
    freedom = np.broadcast_to(trend_freedom(ends), difference.shape)
    return ends, _p(difference / error, rest / error, freedom) / trend_level(ends)


def confirmed(values: Floats) -> bool:
    """Whether the last values of one series (n,) stand out beside what scatters about the best
    ramp through it, too: the correlation that it leaves may be above the assumed one."""
    return trend_ratio(values) <= 1


def trend_ratio(values: Floats) -> float:
    """p of the last LAST values of (n,) against the first FIRST over its level."""
    from scipy.special import stdtr

    n = len(values)
    t = (values[-LAST_RUNS:].mean() - values[:FIRST_RUNS].mean()) / trend_error(values)
    return float(2 * stdtr(trend_freedom(n), -abs(t)) / trend_level(n))


def trend_error(values: Floats) -> float:
    """Standard error of the mean of the last LAST values of (n,) less that of the first FIRST,
    by what the best ramp leaves over, widened for its correlation."""
    n, left = len(values), residuals(values)
    total = max(float(left @ left), 1e-30)
    lagged = np.array([left[1:] @ left[:-1] / total])
    r = np.maximum(ASSUMED_CORRELATION, correlation_allowed(lagged, np.array([float(n)])))
    return float(np.sqrt(total / (n - 4) * _trend_scale(r))[0])


def _trend_scale(r: Floats | float) -> Any:
    return mean_variance(LAST_RUNS, r) + mean_variance(FIRST_RUNS, r)


def trend_freedom(n: Any) -> Any:
    """Of successive differences, two thirds of their number where neighbours are independent."""
    return (n - 1) * 2 / 3


def trend_level(n: Any) -> Any:
    """The threshold of p for the trend at n values."""
    return TREND_LEVEL * np.minimum(1.0, LOOKS / n) ** 2


def level(n: Floats, span: int, correlation: Floats) -> Floats:
    """The threshold of p for a step at n values."""
    clear = LEVEL_OF_FIVE if span == 5 else LEVEL
    base = np.where(correlation > 0, CORRELATED_LEVEL, clear)
    base = np.where(n < TOLD_CORRELATION, SHORT_LEVEL, base)
    stricter: Floats = base * np.minimum(1.0, LOOKS / n) ** (4 if span < 12 else 2)
    return stricter


def _p(t: Floats, trimmed: Floats, freedom: Floats) -> Floats:
    """Two-sided p where it can matter, else inf."""
    from scipy.special import stdtr

    near = (trimmed * np.sign(t) >= WITHOUT_EXTREME) & (np.abs(t) >= LEAST_T)
    p = np.full(t.shape, np.inf)
    p[near] = 2 * stdtr(freedom[near], -np.abs(t[near]))
    return p


def _statistics(values: Floats, ends: Floats, span: int) -> tuple[Floats, ...]:
    """Of each look: t of the last `span`, t without their most extreme value, degrees of freedom,
    and the correlation allowed for."""
    # About the median, so that sums of squares lose no digits.
    x = values - np.median(values, axis=-1, keepdims=True)
    sums, squares = _cumulative(x), _cumulative(x * x)
    products = _cumulative(x[..., 1:] * x[..., :-1])
    before = starts = ends - span
    early, late = sums[..., starts], sums[..., ends] - sums[..., starts]
    early_mean, late_mean = early / before, late / span
    residual = squares[..., ends] - before * early_mean**2 - span * late_mean**2
    variance = np.maximum(residual, 1e-30) / (ends - 2)
    # Lag-1 products about each part's own mean; the pair across the change is left out.
    lagged = products[..., starts - 1] - early_mean * (2 * early - x[..., :1] - x[..., starts - 1])
    lagged += (before - 1) * early_mean**2
    lagged += products[..., ends - 1] - products[..., starts]
    lagged += (span - 1) * late_mean**2 - late_mean * (2 * late - x[..., starts] - x[..., ends - 1])
    correlation = correlation_allowed(lagged / np.maximum(residual, 1e-30), ends)
    error = np.sqrt(
        variance * (mean_variance(span, correlation) + mean_variance(before, correlation))
    )
    difference = late_mean - early_mean
    windows = _windows(x, span)[..., starts, :]
    extreme = np.where(difference > 0, windows.max(axis=-1), windows.min(axis=-1))
    rest = (late - extreme) / (span - 1) - early_mean
    freedom = np.maximum(3.0, (ends - 2) * (1 - correlation) / (1 + correlation))
    return difference / error, rest / error, freedom, correlation


def correlation_allowed(estimate: Floats, n: Floats) -> Floats:
    """The lag-1 correlation to allow for: 0 where it could be chance, 0.5 where n is small.

    Corrected for the bias of short series, (1 + 4 rho) / n (Kendall 1954).
    """
    corrected = (estimate + 1 / n) / (1 - 4 / n)
    allowed = np.where(corrected > NOT_CHANCE / np.sqrt(n), np.clip(corrected, 0.0, 0.9), 0.0)
    return np.where(n < TOLD_CORRELATION, np.maximum(ASSUMED_CORRELATION, allowed), allowed)


def mean_variance(n: Any, correlation: Any) -> Any:
    """Variance of the mean of n neighbours, each of variance 1 with AR(1) `correlation`."""
    r = correlation
    return (1 + 2 * r / (1 - r) * (1 - (1 - r**n) / (n * (1 - r)))) / n


def _cumulative(x: Floats) -> Floats:
    return np.concatenate((np.zeros((*x.shape[:-1], 1)), np.cumsum(x, axis=-1)), axis=-1)


def _windows(x: Floats, span: int) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(x, span, axis=-1)
