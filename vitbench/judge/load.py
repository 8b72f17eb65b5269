"""What a report shows of a rate under load: for a contract, and for a recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from vitbench.judge.change import run_factor
from vitbench.judge.contracts import Contract
from vitbench.report.fields import FIELD, finite
from vitbench.report.loaded import Load
from vitbench.report.prices import SECONDS_AN_HOUR
from vitbench.report.reader import Row

LOAD = FIELD["server_rate"].need
"""What `vitbench best` calls it."""
PROVEN = "proven"
NO_PRICE = "the report has no price: run with --price, or see docs/cost.md"
TO_PROVE = "an estimate proves no rate: run benchmarks/test_load.py with --load-proof"


@dataclass(frozen=True)
class UnderLoad:
    """A rate of requests a second (0: none that was tried keeps the bound), what it rests on, and
    the `estimate` that it is from: a proven rate is lower than its estimate, so cases are ranked by
    estimates. `unproven`: why a proof that was asked for failed. `slowest`: the lowest rate
    that was run, and its p99 in ms."""

    rate: float
    estimate: float
    bound_ms: float
    evidence: str
    queries: int
    arrangement: str
    single_stream_p90_ms: float
    from_jpeg: bool = False
    unproven: str = ""
    slowest: tuple[float, float] | None = None

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
            _unproven(found),
            min(((each.rate, each.p99_ms) for each in found.server_runs), default=None),
        )

    @property
    def proven(self) -> bool:
        return self.evidence == PROVEN

    @property
    def short(self) -> str:
        more = f"; estimate {_rate(self.estimate)}" if self.proven else ""
        return f"{_rate(self.rate)} requests/s{self._start} ({self.evidence}{more})"

    @property
    def _start(self) -> str:
        return " from JPEG bytes" if self.from_jpeg else ""

    @property
    def to_prove(self) -> str:
        """What is left to do for a proof; "" for a proven rate."""
        return "" if self.proven else self.unproven or TO_PROVE

    @property
    def words(self) -> str:
        """With the bound, the queries and the arrangement."""
        return (
            f"{_rate(self.rate)} requests/s{self._start} within {self.bound_ms:g} ms "
            f"({self.evidence}, {self.queries:,} queries) as {self.arrangement}"
        )

    def why_not(self, least_bound_ms: float) -> str:
        """Why the rate is none to choose by, beside rates within `least_bound_ms`; "" if it is."""
        if not self.rate:
            single = f"SingleStream p90 is {self.single_stream_p90_ms:.1f} ms"
            if self.slowest is None and self.single_stream_p90_ms > self.bound_ms:
                return f"no rate keeps {self.bound_ms:g} ms; {single}"
            if self.slowest is None:
                return (
                    f"no rate keeps {self.bound_ms:g} ms as {self.arrangement}, though {single}: "
                    "the window, or slower calls under load, take the rest"
                )
            rate, p99_ms = self.slowest
            return (
                f"no rate that was tried keeps {self.bound_ms:g} ms: at {_rate(rate)}/s, the "
                f"lowest, the p99 is {p99_ms:.1f} ms; {single}"
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
    if (ceiling := _ceiling(found)) < contract.value:
        if ceiling:
            words += f"; {_rate(ceiling)}/s at most, as single runs vary by {run_factor():.2f}x"
        return "BROKEN", words
    if not load.rate:
        return "UNPROVEN", words
    return "UNPROVEN", f"{words}; {load.to_prove or 'no more is proven'}"


def judge_requests(contract: Contract, row: Row, process_spread: float) -> tuple[str, str]:
    """State and words of a contract on `requests_per_unit`: that of the rate which buys them."""
    per_hour = FIELD["price_per_hour"].value(row.benchmarks)
    bought = FIELD["requests_per_unit"].value(row.benchmarks)
    if row.loaded and (per_hour is None or bought is None):
        return "UNPROVEN", NO_PRICE
    needed = contract.value * (per_hour or 0.0) / SECONDS_AN_HOUR
    state, words = judge_rate(replace(contract, value=needed), row, process_spread)
    return state, words if bought is None else f"{bought:,.0f}, of {words}"


def _ceiling(found: Load) -> float:
    """The highest rate that the case may carry all the same: single runs vary."""
    factor = run_factor()
    if found.estimate:
        return found.estimate * factor
    if found.server_runs:  # at none of these rates the bound was kept
        return min(each.rate for each in found.server_runs) * factor
    slow = found.single_stream_p90_ms / factor > found.latency_bound_ms
    return 0.0 if slow else inf


def _unproven(found: Load) -> str:
    """Why the proof of a report failed; "" where it did not, or none was asked for."""
    problems, rate = found.proof.get("problems"), found.proof.get("rate")
    if not isinstance(problems, list) or not problems or not finite(rate):
        return ""
    return f"{_rate(float(rate or 0.0))}/s was run for a proof: {'; '.join(map(str, problems))}"


def _rate(value: float) -> str:
    return FIELD["server_rate"].text(value)
