"""Where a series changed: looked at after every run, calibrated so that nearly nothing is false.

A series is replayed run by run by the rules of `change_rules`, so a change that was found once
stays found. Its size, and whether it came at once or gradually, are estimated from the later runs
too.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vitbench.stats.change_rules import (
    FIRST_RUNS,
    LAST_RUNS,
    LEAST_BEFORE,
    LOOKS,
    SPANS,
    correlation_allowed,
    first_alarms,
    level,
    mean_variance,
    ratios,
    trend_error,
    trend_freedom,
    trend_ratio,
)
from vitbench.stats.ramp import Floats, best_ramp, best_split, left_by_steps

FALSE_PER_SERIES = 0.01
# A ramp has a parameter more than a step, and neighbours correlate: it must fit so much better,
# in variances of what it leaves over.
CLEARER = 9.0


@dataclass(frozen=True)
class ChangePoint:
    """A change between the values `at - 1` and `at` of a series, detected at value `detected`.

    A gradual one goes on up to value `until`; else `until` is `at`. `size` is the difference of the
    means before and after (gradual: of the first ten values since the change before, `since`, and
    the last five), in units of the series, bounded by `low` and `high` at 95 %, widened for the
    correlation of neighbours. `p` bounds the chance that a series without change gives one as
    clear, all looks counted: FALSE_PER_SERIES where it is only just detected.
    """

    since: int
    at: int
    until: int
    detected: int
    size: float
    low: float
    high: float
    p: float

    @property
    def gradual(self) -> bool:
        return self.until > self.at


@dataclass(frozen=True)
class _Alarm:
    at: int
    detected: int
    p: float
    up: bool


def change_points(series: ArrayLike) -> list[ChangePoint]:
    """The changes of finite values (n,) in the order of their runs; [] for a short series.

    Replayed with restarts at each change, as in binary segmentation. Changes in one direction that
    one ramp explains as well as their steps are one gradual change.
    """
    values = np.asarray(series, dtype=float)
    alarms = _alarms(values)
    starts = [0, *(alarm.at for alarm in alarms)]
    stops = [*(alarm.at for alarm in alarms[1:]), len(values)]
    found: list[ChangePoint] = []
    index = 0
    while index < len(alarms):
        count, gradual = 1, _is_ramp(values, starts[index], alarms[index : index + 1], stops[index])
        for more in range(2, len(alarms) - index + 1):
            group = alarms[index : index + more]
            if not _is_ramp(values, starts[index], group, stops[index + more - 1]):
                break
            count, gradual = more, True
        group, stop = alarms[index : index + count], stops[index + count - 1]
        describe = _gradual if gradual else _step
        found.append(describe(values[starts[index] : stop], starts[index], group))
        index += count
    return found


def _alarms(values: Floats) -> list[_Alarm]:
    found: list[_Alarm] = []
    start = 0
    while len(values) - start >= LEAST_BEFORE + SPANS[0]:
        ends, spans = first_alarms(values[None, start:])
        end, span = int(ends[0]), int(spans[0])
        if not end:
            break
        seen = values[start : start + end]
        # Of a trend the whole stretch, of a step the last 2 x span values.
        first = max(LEAST_BEFORE, end - 2 * span) if span else LEAST_BEFORE
        at = best_split(seen, first, end - SPANS[0])
        p = FALSE_PER_SERIES * min(1.0, _ratio(seen))
        up = bool(seen[at:].mean() > seen[:at].mean())
        found.append(_Alarm(start + at, start + end - 1, p, up))
        start += at
    return found


def _ratio(seen: Floats) -> float:
    """The least p over its level of the last look at the values."""
    steps = [float(ratios(seen, span)[1][-1:].min(initial=np.inf)) for span in SPANS]
    return min(*steps, trend_ratio(seen) if len(seen) >= FIRST_RUNS + LAST_RUNS else math.inf)


def _is_ramp(values: Floats, start: int, alarms: list[_Alarm], stop: int) -> bool:
    """Whether one ramp explains the values from `start` to `stop` better than a step at each,
    all in one direction."""
    if stop - start < FIRST_RUNS + LAST_RUNS or len({alarm.up for alarm in alarms}) > 1:
        return False
    part, places = values[start:stop], [alarm.at - start for alarm in alarms]
    steps = left_by_steps(part, places)
    if len(alarms) == 1:  # Its place, too, is better known by now.
        place = best_split(part, SPANS[0], len(part) - SPANS[0])
        steps = min(steps, left_by_steps(part, [place]))
    ramp = best_ramp(part).left
    clearer = CLEARER / (len(part) - 4) if len(alarms) == 1 else 0.0
    return ramp * (1 + clearer) < steps


def _gradual(part: Floats, start: int, alarms: list[_Alarm]) -> ChangePoint:
    from scipy.special import stdtrit

    ramp = best_ramp(part)
    size = float(part[-LAST_RUNS:].mean() - part[:FIRST_RUNS].mean())
    wide = float(stdtrit(trend_freedom(len(part)), 0.975)) * trend_error(part)
    p = min(*(alarm.p for alarm in alarms), FALSE_PER_SERIES * trend_ratio(part))
    return ChangePoint(
        since=start,
        at=start + ramp.first + 1,
        until=start + ramp.last,
        detected=alarms[0].detected,
        size=size,
        low=size - wide,
        high=size + wide,
        p=p,
    )


def _step(part: Floats, start: int, alarms: list[_Alarm]) -> ChangePoint:
    """The step with all that is known by now: from the change before it to the one after it."""
    from scipy.special import stdtr, stdtrit

    (alarm,) = alarms
    # With the later values the place is better known than when the change was detected.
    near = alarm.at - start
    first, last = max(2, near - SPANS[0]), min(len(part) - 2, near + SPANS[0])
    at = best_split(part, first, max(first, last))
    before, after = part[:at], part[at:]
    residuals = np.concatenate([before - before.mean(), after - after.mean()])
    total = max(float(residuals @ residuals), 1e-30)
    lagged = float(residuals[1:] @ residuals[:-1]) / total
    r = correlation_allowed(np.array([lagged]), np.array([float(len(residuals))]))
    freedom = float(np.maximum(3.0, (len(residuals) - 2) * (1 - r) / (1 + r))[0])
    scale = mean_variance(len(before), r) + mean_variance(len(after), r)
    error = math.sqrt(total / max(1, len(residuals) - 2) * float(scale[0]))
    size, wide = float(after.mean() - before.mean()), float(stdtrit(freedom, 0.975)) * error
    # Later runs may make it clearer; the level of a look that far on is the stricter one.
    strict = float(level(np.array([max(LOOKS, len(part))]), SPANS[-1], r)[0])
    p = FALSE_PER_SERIES * 2 * float(stdtr(freedom, -abs(size) / max(error, 1e-300))) / strict
    return ChangePoint(
        since=start,
        at=start + at,
        until=start + at,
        detected=alarm.detected,
        size=size,
        low=size - wide,
        high=size + wide,
        p=min(alarm.p, p),
    )
