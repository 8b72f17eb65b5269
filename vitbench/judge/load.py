"""What a report shows of a rate under load: for a contract, and for a recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from vitbench.judge.change import run_factor
from vitbench.judge.contracts import Contract
from vitbench.report.fields import FIELD
from vitbench.report.loaded import Load
from vitbench.report.reader import Row

LOAD = FIELD["server_rate"].need
"""What `vitbench best` calls it."""
PROVEN = "proven"
TO_PROVE = "an estimate proves no rate: run benchmarks/test_load.py with --load-proof"


@dataclass(frozen=True)
class UnderLoad:
    """A rate of requests a second (0: none keeps the bound), what it rests on, and the `estimate`
    that it is from: a proven rate is lower than its estimate, so cases are ranked by estimates."""

    rate: float
    estimate: float
    bound_ms: float
    evidence: str
    queries: int
    arrangement: str
    single_stream_p90_ms: float
    from_jpeg: bool = False

    @classmethod
    def of(cls, found: Load) -> "UnderLoad":
        return cls(
            found.server_rate,
            found.estimate,
            found.latency_bound_ms,
            found.load_evidence,
            found.server_queries,
            found.arrangement,
            found.single_stream_p90_ms,
            found.from_jpeg,
        )

    @property
    def proven(self) -> bool:
        return self.evidence == PROVEN

    @property
    def short(self) -> str:
        more = f"; estimate {_rate(self.estimate)}" if self.proven else ""
        return f"{_rate(self.rate)} requests/s ({self.evidence}{more})"

    @property
    def words(self) -> str:
        """With the bound, the queries and the arrangement."""
        start = " from JPEG bytes" if self.from_jpeg else ""
        return (
            f"{_rate(self.rate)} requests/s{start} within {self.bound_ms:g} ms ({self.evidence}, "
            f"{self.queries:,} queries) as {self.arrangement}"
        )

    def why_not(self, least_bound_ms: float) -> str:
        """Why the rate is none to choose by, beside rates within `least_bound_ms`; "" if it is."""
        if not self.rate:
            return (
                f"no rate keeps {self.bound_ms:g} ms; SingleStream p90 is "
                f"{self.single_stream_p90_ms:.1f} ms"
            )
        if self.bound_ms > least_bound_ms:
            return (
                f"its latency bound is {self.bound_ms:g} ms, and that of others "
                f"{least_bound_ms:g} ms: give all one --latency-bound"
            )
        return ""


def least_bound(found: Sequence[UnderLoad | None]) -> float:
    """The shortest latency bound, in ms, within which any of them has a rate."""
    return min((each.bound_ms for each in found if each and each.rate), default=inf)


def judge_rate(contract: Contract, row: Row, _: float) -> tuple[str, str]:
    """State and words of a contract on `server_rate`.

    KEPT takes a proven rate. BROKEN takes a rate so far above all that the report does not rule out
    that the spread of single runs (`run_factor`) does not explain it.
    """
    found = row.loaded
    if found is None:
        return (
            "UNPROVEN",
            "the report has no load of the case: run benchmarks/test_load.py too",
        )
    load = UnderLoad.of(found)
    words = load.words if load.rate else load.why_not(load.bound_ms)
    if load.proven and load.rate >= contract.value:
        return "KEPT", words
    if _ceiling(found) < contract.value:
        return "BROKEN", words
    return "UNPROVEN", f"{words}; " + ("no more is proven" if load.proven else TO_PROVE)


def _ceiling(found: Load) -> float:
    """The highest rate that the case may carry all the same: single runs vary."""
    factor = run_factor()
    if found.estimate:
        return found.estimate * factor
    if found.server_runs:  # at none of these rates the bound was kept
        return min(each.rate for each in found.server_runs) * factor
    slow = found.single_stream_p90_ms / factor > found.latency_bound_ms
    return 0.0 if slow else inf


def _rate(value: float) -> str:
    return FIELD["server_rate"].text(value)
