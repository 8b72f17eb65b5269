"""A steady load for minutes: late queries, memory, and whether either drifts."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vitbench.case import Case
from vitbench.load.arrangement import Arrangement
from vitbench.load.load_run import LoadRun
from vitbench.load.measuring import Loads
from vitbench.load.scenario import PERCENTILES, SERVER, Scenario
from vitbench.stats.queueing import percentile

STEP_SECONDS = 60.0
LEAST_QUERIES = 20


@dataclass(frozen=True)
class Soak:
    """What is asked for: an arrangement, requests a second, and for how long."""

    arrangement: Arrangement
    rate: float
    minutes: float

    @property
    def steps(self) -> list[int]:
        """The queries of each minute, and of what is left over."""
        whole, rest = divmod(self.minutes * 60, STEP_SECONDS)
        seconds = [STEP_SECONDS] * int(whole) + [rest] * (rest > 0)
        return [max(LEAST_QUERIES, round(self.rate * each)) for each in seconds]


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
        """Drift: the last third of the runs against the first."""
        third = max(1, len(self.runs) // 3)
        first, last = self.runs[:third], self.runs[-third:]
        before, after = (np.mean([run.latency.mean() for run in each]) for each in (first, last))
        memory = [sum(run.resident_bytes) for run in (self.runs[0], self.runs[-1])]
        latency = np.concatenate([run.latency for run in self.runs])
        return (
            f"{self.queries:,} queries, {self.late:,} late ({self.late / self.queries:.2%}), p99 "
            f"{1000 * percentile(latency):.3g} ms; drift: mean latency {after / before - 1:+.1%} "
            f"(last third against the first), memory {(memory[1] - memory[0]) / 1e6:+.1f} MB of "
            f"{memory[0] / 1e6:.0f} MB; outputs compared: "
            f"{sum(len(run.samples) for run in self.runs)}, all as verified"
        )


def soak(loads: Loads, case: Case, asked: Soak, say: Callable[[str], None]) -> Soaked:
    """A run of LoadGen a minute, each with a seed of its own; `say` hears a line after each.

    Raises as `Loads.measure`: an instance that dies ends the soak, and what was said stays.
    """
    runs: list[LoadRun] = []
    arrangement = asked.arrangement
    with loads.opened(case) as (search, _):
        bound_seconds = loads.bound(case)[0] / 1000
        search.ready(arrangement)
        for minute, queries in enumerate(asked.steps, 1):
            seed = random.SystemRandom().getrandbits(31)
            scenario = Scenario(SERVER, queries, seed, asked.rate, bound_seconds)
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
