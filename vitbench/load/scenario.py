"""The scenarios of MLPerf Inference, as data: what a generator is to do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SINGLE_STREAM, OFFLINE, SERVER = "SingleStream", "Offline", "Server"
PERCENTILES = {SINGLE_STREAM: 0.90, OFFLINE: 0.90, SERVER: 0.99}
"""The share of queries that a scenario's latency is about."""


@dataclass(frozen=True)
class Scenario:
    """One run of a generator.

    SingleStream: the next query follows the answer of the one before. Offline: all at once. Server:
    Poisson arrivals, `rate` a second, whose 99th percentile should keep `bound_seconds`. There are
    `queries` in all; `seed` draws their arrivals and their samples.
    """

    kind: str
    queries: int
    seed: int
    rate: float = 0.0
    bound_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Scenario":
        return cls(**found)
