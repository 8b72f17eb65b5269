"""A steady load for minutes: late queries, memory, and whether latency or memory drifts."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.load.arrangement import Arrangement
from vitbench.load.load_run import LoadRun
from vitbench.load.measuring import Loads
from vitbench.load.scenario import PERCENTILES, SERVER, Scenario
from vitbench.stats.queueing import percentile

STEP_SECONDS = 60.0
LEAST_QUERIES = 20
LONGER = 1.1  # so many times the minutes are said
OVERLOAD = 1.5  # so many times what single calls allow is no load to begin with


@dataclass(frozen=True)
class Soak:
    """What is asked for: an arrangement, requests a second, and for how long."""

    arrangement: Arrangement
    rate: float
    minutes: float

    @property
    def steps(self) -> Iterator[int]:
        """The queries of each minute, and of what is left over."""
        whole, rest = divmod(self.minutes * 60, STEP_SECONDS)
        for _ in range(int(whole)):
            yield self._queries(STEP_SECONDS)
        if rest:
            yield self._queries(rest)

    def _queries(self, seconds: float) -> int:
        return max(LEAST_QUERIES, round(self.rate * seconds))

    @property
    def takes_minutes(self) -> float:
        """What it takes: a run has LEAST_QUERIES, however low the rate is."""
        return sum(self.steps) / self.rate / 60

    @property
    def longer(self) -> str:
        """How long it takes where that is more than the minutes that were asked for, else ""."""
        if self.takes_minutes <= LONGER * self.minutes:
            return ""
        return (
            f"a run has {LEAST_QUERIES} queries at least, which take "
            f"{LEAST_QUERIES / self.rate:,.0f} s at {self.rate:g}/s: this soak takes "
            f"{self.takes_minutes:,.1f} minutes, not {self.minutes:g}"
        )

    def require_capacity(self, most_rate: float) -> None:
        """Raises UserError for a rate far above the `most_rate` that single calls allow: queries
        would pile up, and the soak take as many times longer."""
        if self.rate > OVERLOAD * most_rate:
            raise UserError(
                f"--rate {self.rate:g}: {self.arrangement} answers about {most_rate:.3g} "
                f"requests/s, so queries would pile up: name a rate of {most_rate:.3g} at most"
            )


@dataclass(frozen=True)
class Soaked:
    """The runs of a soak, one a minute, in their order."""

    runs: Sequence[LoadRun]

    @property
    def queries(self) -> int:
        return sum(run.queries for run in self.runs)

    @property
    def late(self) -> int:
        return sum(int(run.late.sum()) for run in self.runs)

    @property
    def in_time(self) -> bool:
        """Whether no more queries were late than a 99th percentile allows."""
        return self.late <= (1 - PERCENTILES[SERVER]) * self.queries

    @property
    def words(self) -> str:
        latency = np.concatenate([run.latency for run in self.runs])
        return (
            f"{self.queries:,} queries, {self.late:,} late ({self.late / self.queries:.2%}), p99 "
            f"{1000 * percentile(latency):.3g} ms; drift: {self._drift}; outputs compared: "
            f"{sum(len(run.samples) for run in self.runs)}, all as verified"
        )

    @property
    def _drift(self) -> str:
        """Of the last third of the runs against the first."""
        if len(self.runs) < 2:
            return "not known of a single run, --minutes=2 has two"
        third = max(1, len(self.runs) // 3)
        first, last = self.runs[:third], self.runs[-third:]
        before, after = (np.mean([run.latency.mean() for run in each]) for each in (first, last))
        memory = [sum(run.resident_bytes) for run in (self.runs[0], self.runs[-1])]
        return (
            f"mean latency {after / before - 1:+.1%} (last third against the first), memory "
            f"{(memory[1] - memory[0]) / 1e6:+.1f} MB of {memory[0] / 1e6:.0f} MB"
        )


def soak(loads: Loads, case: Case, asked: Soak, say: Callable[[str], None]) -> Soaked:
    """A run of LoadGen a minute, each with a seed of its own; `say` hears how the case was
    verified, and a line after each run.

    Raises as `Loads.measure`, also where the case remembers images: an instance that dies ends the
    soak, and what was said stays. UserError where the window leaves nothing of the bound, or the
    rate is far above what the arrangement can answer.
    """
    runs: list[LoadRun] = []
    arrangement = asked.arrangement
    with loads.opened(case) as (search, _):
        bound_ms = loads.bound(case)[0]
        arrangement.require_window(bound_ms)
        agreement = loads.session.verified(case).agreement
        say(f"verified on {agreement.images:,} images: {agreement.sentence}")
        search.ready(arrangement)
        asked.require_capacity(search.most_rate(arrangement))
        search.require_no_memory()
        for minute, queries in enumerate(asked.steps, 1):
            seed = random.SystemRandom().getrandbits(31)
            scenario = Scenario(SERVER, queries, seed, asked.rate, bound_ms / 1000)
            window = arrangement.window_seconds
            run = search.play(scenario, arrangement, arrangement.batches, window)
            runs.append(run)
            say(line_of(minute, run))
    return Soaked(runs)


def line_of(minute: int, run: LoadRun) -> str:
    """One minute, for people."""
    late = int(run.late.sum())
    return (
        f"minute {minute}: {run.queries:,} queries, {late} late, p50 "
        f"{1000 * percentile(run.latency, 0.5):.3g} ms, p99 {1000 * run.tail_seconds:.3g} of "
        f"{1000 * run.scenario.bound_seconds:g} ms, memory {sum(run.resident_bytes) / 1e6:.0f} MB"
    )
