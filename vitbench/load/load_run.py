"""What one run of a generator found: arrays of its queries and of its calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.load.scenario import PERCENTILES, Scenario
from vitbench.stats.queueing import late_share_upper, percentile, queries_needed

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class LoadRun:
    """Of each query, in the order of arrival: when it was `due`, `issue_delay` until LoadGen issued
    it, and `latency` until its answer, all in seconds. Of each call: its `size`, and how long its
    `lane` was `occupied` and computed by its `own` clock. `samples` and `outputs` are of the
    queries that were drawn. `cpu_seconds` are the generator's, of `seconds` in all."""

    scenario: Scenario
    due: Seconds
    issue_delay: Seconds
    latency: Seconds
    lane: NDArray[np.int64]
    size: NDArray[np.int64]
    occupied: Seconds
    own: Seconds
    samples: NDArray[np.int64]
    outputs: NDArray[np.float32]
    valid: bool
    early_stopping: bool
    seconds: float
    cpu_seconds: float
    resident_bytes: tuple[int, ...]

    @classmethod
    def read(cls, scenario: Scenario, file: Path, found: Mapping[str, Any]) -> "LoadRun":
        with np.load(file, allow_pickle=False) as arrays:
            return cls(
                scenario,
                **{name: arrays[name] for name in arrays.files},
                **{**found, "resident_bytes": tuple(found["resident_bytes"])},
            )

    @property
    def queries(self) -> int:
        return len(self.latency)

    @property
    def tail_seconds(self) -> float:
        """The latency that the scenario is about: of Server the 99th percentile, else the 90th."""
        return percentile(self.latency, PERCENTILES[self.scenario.kind])

    @property
    def images_per_second(self) -> float:
        """Of an Offline run: from its beginning to its last answer."""
        return self.queries / float(self.latency.max())

    @property
    def late(self) -> NDArray[np.bool_]:
        return self.latency > self.scenario.bound_seconds

    @property
    def keeps_bound(self) -> bool:
        return self.tail_seconds <= self.scenario.bound_seconds

    @property
    def generator_share(self) -> float:
        """Of one core, what the generator took."""
        return self.cpu_seconds / self.seconds

    def to_json(self) -> dict[str, Any]:
        """A Server run in figures."""
        return {
            "rate": self.scenario.rate,
            "seed": self.scenario.seed,
            "queries": self.queries,
            "late": int(self.late.sum()),
            "p99_ms": 1000 * self.tail_seconds,
            "mean_ms": 1000 * float(self.latency.mean()),
            "issue_delay_p99_ms": 1000 * percentile(self.issue_delay),
            "generator_share": self.generator_share,
        }


@dataclass(frozen=True)
class Proof:
    """Whether one run at a fixed rate, with a seed of its own, proves that rate.

    Source of the first two conditions: MLPerf Inference, Server scenario. The third bounds the
    share of late queries over batches of neighbours, since queries in one queue are not
    independent.
    """

    run: LoadRun
    least_queries: int

    @property
    def late_share_upper(self) -> float:
        return late_share_upper(self.run.late)

    @property
    def problems(self) -> list[str]:
        """What is not proven, in words; none where the rate is."""
        run, late = self.run, int(self.run.late.sum())
        share, needed = 1 - PERCENTILES[run.scenario.kind], queries_needed(late)
        found = []
        if run.queries < self.least_queries:
            found.append(f"{run.queries} queries are fewer than {self.least_queries}")
        if not (run.early_stopping and run.valid) or run.queries < needed:
            found.append(
                f"LoadGen's early stopping is not passed: {late} late of {run.queries} queries "
                f"(with so many late it needs {needed:,})"
            )
        if self.late_share_upper > share:
            found.append(
                f"the share of late queries is bounded by {self.late_share_upper:.2%}, over "
                f"{share:.0%}"
            )
        return found

    @property
    def state(self) -> str:
        return "UNPROVEN" if self.problems else "KEPT"

    def to_json(self) -> dict[str, Any]:
        return {
            **self.run.to_json(),
            "state": self.state,
            "late_share_upper": self.late_share_upper,
            "early_stopping": self.run.early_stopping,
            "problems": self.problems,
        }
