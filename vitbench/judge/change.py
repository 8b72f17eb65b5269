"""How much longer a case takes than its baseline, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitbench.report.row import TimedRow
from vitbench.stats.intervals import CONFIDENCE, POWER
from vitbench.stats.multiplicity import SUITE_LEVEL, Test, holm

PROCESS_SPREAD = 0.026
"""Standard deviation of log speed-up between fresh processes of unchanged code, measured
on shared two-core machines by alternating single calls of two processes: docs/results.md."""
RUN_SPREAD = 0.20
"""The same of the log of a plain median, not paired with anything: docs/results.md, Noise."""
CORRELATED_RUNS = 3.0
"""Nights resemble their neighbours: where the correlation of one night with the next is 0.5, the
median of ten nights in a row varies as that of a third of them, (1 - 0.5) / (1 + 0.5)."""
FEW_DEGREES = 10
MOST_LOG_RATIO = 5.0
"""A log ratio of 5 is a factor of 148: a bound so far away says nothing."""
CERTAIN = 1e9
"""Degrees of freedom of what is not estimated: Student's t is then the normal."""


@dataclass(frozen=True)
class Timing:
    """One run's log seconds up to the run's own unit, its variance and degrees of freedom.

    Of a case timed in pairs, `log_time` is log(case / reference); else log of its median seconds.
    """

    log_time: float
    variance: float
    freedom: float


@dataclass(frozen=True)
class Change:
    """`estimate` is the log of the case's time over its baseline's: 0 is no change. `shown` is the
    standard deviation of the baseline's runs where that is what the error rests on, else None."""

    estimate: float
    standard_error: float
    freedom: float
    shown: float | None = None

    def quantile(self, confidence: float) -> float:
        """Student's t by the standard error: how far a one-sided bound is from the estimate."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, confidence)) * self.standard_error

    def p_slower(self) -> float:
        """One-sided p-value of "takes no longer"; 1 less it is that of "takes no less"."""
        from scipy.special import stdtr

        return float(stdtr(self.freedom, -self.estimate / self.standard_error))

    def visible(self, tolerance: float, level: float) -> float:
        """The least slowdown (0.1: 10 %) that is called SLOWER with 80 % power at one-sided
        `level`: it must exceed the tolerance and the bound both. Infinite beyond
        MOST_LOG_RATIO."""
        least = max(math.log1p(tolerance), self.quantile(1 - level)) + self.quantile(POWER)
        return math.expm1(least) if least < MOST_LOG_RATIO else math.inf


def run_factor() -> float:
    """By what factor the figure of a single run may be off, one-sided 95 %."""
    return math.exp(Change(0.0, RUN_SPREAD, CERTAIN).quantile(CONFIDENCE))


def paired_timing(row: TimedRow) -> Timing | None:
    """The timing of a benchmark that ran in pairs; None where two rounds are not there.

    With too few rounds for batch means, the rounds themselves are what the variance is from.
    The benchmark has passed `report.sound`.
    """
    ratio, pairs = row.extra_info.ratio, (row.stats.data, row.extra_info.reference.rounds)
    log_time = -math.log(ratio.speedup)
    if ratio.standard_error is not None:
        return Timing(log_time, ratio.standard_error**2, ratio.batches - 1)
    rounds = [math.log(reference) - math.log(own) for own, reference in zip(*pairs, strict=False)]
    if len(rounds) < 2:
        return None
    return Timing(log_time, float(np.var(rounds, ddof=1)) / len(rounds), len(rounds) - 1)


def plain_timing(benchmark: Mapping[str, Any]) -> Timing:
    """The timing of a native row of pytest-benchmark that has passed `report.sound`."""
    return Timing(math.log(benchmark["stats"]["median"]), 0.0, CERTAIN)


def change(head: Timing, bases: Sequence[Timing], process_spread: float) -> Change:
    """Head against the median of `bases`, one or more, newest first.

    The log time of a run varies by its own variance plus process_spread^2. Three runs or more also
    show by how much they vary (N - 1 degrees of freedom), and the larger of the two counts. The
    variance of the median of N runs is 1/N of that of one for N = 1 and 2, where the median is the
    mean, and pi / (2N) of it for more (asymptotic, for normal values; Kenney and Keeping,
    Mathematics of Statistics, 1962). Degrees of freedom: Satterthwaite, Biometrics Bulletin 2
    (1946), where `process_spread` counts as known. Where one run has fewer than FEW_DEGREES, the
    smaller number of the two runs counts, because few rounds show a small variance by chance:
    simulated with 30 cases of 2 and 4 rounds, Satterthwaite's alone fails 17 and 4 % of the suites
    in which nothing changed.
    """
    return _against(head, bases, process_spread, (bases,), 1.0)


def anchored(
    head: Timing, anchors: Sequence[Timing], newest: Sequence[Timing], process_spread: float
) -> Change:
    """Head against the median of `anchors`, runs of long ago: what creeps moves `newest` along.

    As `change`, but both groups show how much runs vary, each about its own mean, and CORRELATED
    runs in a row say less of where they were.
    """
    return _against(head, anchors, process_spread, (anchors, newest), CORRELATED_RUNS)


def _against(
    head: Timing,
    bases: Sequence[Timing],
    process_spread: float,
    groups: Sequence[Sequence[Timing]],
    correlated: float,
) -> Change:
    n = len(bases)
    share = min(1.0, correlated * (1 / n if n <= 2 else math.pi / (2 * n)))
    within = float(np.median([base.variance for base in bases]))
    least = min(head.freedom, *(base.freedom for base in bases))
    variance = head.variance + process_spread**2 + (within + process_spread**2) * share
    spent = head.variance**2 / head.freedom + (within * share) ** 2 / least
    freedom = min(CERTAIN, variance**2 / spent) if spent else CERTAIN
    if least < FEW_DEGREES:
        freedom = least
    estimate = head.log_time - float(np.median([base.log_time for base in bases]))
    runs = [[each.log_time for each in group] for group in groups if len(group) >= 3]
    known = sum(len(times) - 1 for times in runs)
    shown = sum(float(np.var(times)) * len(times) for times in runs) / known if known else 0.0
    if shown * (1 + share) > variance:
        error = math.sqrt(shown * (1 + share))
        return Change(estimate, error, min(least, known), math.sqrt(shown))
    return Change(estimate, max(math.sqrt(variance), 1e-12), freedom)


def judge_changes(
    changes: Mapping[Test, Change], tolerances: Mapping[Test, float]
) -> dict[Test, str]:
    """SLOWER, FASTER, SAME or INCONCLUSIVE for each, at one error rate for all.

    SLOWER: the one-sided 1 % test of the whole suite (Holm) excludes "takes no longer", and the
    estimate exceeds the tolerance; FASTER the mirror. SAME: two one-sided 5 % tests inside the
    tolerance (Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987).
    """
    slower = holm({key: each.p_slower() for key, each in changes.items()})
    faster = holm({key: 1 - each.p_slower() for key, each in changes.items()})
    states = {}
    for key, each in changes.items():
        limit, states[key] = math.log1p(tolerances[key]), "INCONCLUSIVE"
        if slower[key] <= SUITE_LEVEL and each.estimate > limit:
            states[key] = "SLOWER"
        elif faster[key] <= SUITE_LEVEL and each.estimate < -limit:
            states[key] = "FASTER"
        elif abs(each.estimate) + each.quantile(CONFIDENCE) <= limit:
            states[key] = "SAME"
    return states
