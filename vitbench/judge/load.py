"""What a report shows of a rate under load: for a contract, and for a recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TypeAlias

from vitbench.judge.change import run_factor
from vitbench.judge.contracts import Contract
from vitbench.report.fields import FIELD
from vitbench.report.loaded import Load
from vitbench.report.prices import SECONDS_AN_HOUR
from vitbench.report.reader import Row

LOAD = FIELD["server_rate"].need
"""What `vitbench best` calls it."""
Terms: TypeAlias = tuple[bool, float]
"""What two rates must have in common to be compared: whether a request is the bytes of a
photograph, and the latency bound in ms."""
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

    @property
    def terms(self) -> Terms:
        return self.from_jpeg, self.bound_ms

    def why_not(self, terms: Terms | None = None) -> str:
        """Why the rate is none to choose by, beside rates of `terms`; "" if it is."""
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
        return "; ".join(terms_apart(self.terms, terms, "others")) if terms else ""


def terms_ranked(found: Sequence[UnderLoad | None]) -> Terms | None:
    """The terms of the rates that are ranked: images that are ready where any rate is of them, and
    the shortest latency bound of those rates. None of no rates."""
    return min((each.terms for each in found if each and each.rate), default=None)


def terms_apart(own: Terms, others: Terms, whose: str) -> list[str]:
    """Why a rate is not comparable with another, that of `whose`; none where it is."""
    (from_jpeg, bound_ms), (their_kind, their_bound_ms), found = own, others, []
    if bound_ms != their_bound_ms:
        found.append(
            f"its latency bound is {bound_ms:g} ms, and that of {whose} {their_bound_ms:g} ms: "
            "give all one --latency-bound"
        )
    if from_jpeg != their_kind:
        kinds = "JPEG bytes", "images that are ready"
        mine, those = kinds if from_jpeg else kinds[::-1]
        found.append(
            f"its requests are {mine}, and those of {whose} {those}: give all one --load-samples"
        )
    return found


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
    words = load.words if load.rate else load.why_not()
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
    if not found.proof.problems:
        return ""
    return f"{_rate(found.proof.rate)}/s was run for a proof: {'; '.join(found.proof.problems)}"


def _rate(value: float) -> str:
    return FIELD["server_rate"].text(value)
