"""A case under load, as types of a report."""

from collections.abc import Iterator
from math import isclose
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from vitbench.report.extra import AgreementInfo, Count, Extra, NotNegative, Positive, Table

NAMED_BOUND = "--latency-bound"
"""Where a latency bound is from that the user named."""
PROOF_QUERIES = 1001
"""The least that a proof of a rate takes."""
LATE_SHARE = 0.01
"""Of a proof, fewer queries are late: the bound is that of the 99th percentile."""


class ArrangementInfo(Struct, frozen=True):
    """An arrangement that was tried: `simulated_rate` is what a simulated queue with its measured
    services carries within the bound. With `streams` there is one instance, whose runtime answers
    so many calls at a time by `threads` threads each."""

    arrangement: str
    instances: Positive
    threads: Positive
    window_ms: NotNegative
    offline_images_per_s: NotNegative
    simulated_rate: NotNegative
    streams: Count = 0


class ServerRun(Struct, frozen=True):
    """A run of Server at one rate."""

    rate: NotNegative
    queries: Count
    p99_ms: NotNegative


class ProofInfo(Struct, frozen=True):
    """A run for a proof of a rate. `problems`: why it proves none."""

    state: Literal["KEPT", "UNPROVEN"] = "UNPROVEN"
    rate: NotNegative = 0.0
    queries: Count = 0
    late: Count = 0
    problems: list[str] = []


class Load(Extra, frozen=True, kw_only=True):
    """A case under load. `server_rate`: requests a second whose 99th percentile keeps the bound; 0
    where no rate does, and then there is no `server_p99_ms`. `server_runs` are those of the search,
    in their order; a run that proves a rate is not among them."""

    single_stream_p90_ms: NotNegative
    single_stream_queries: Count
    offline_images_per_s: NotNegative
    server_rate: NotNegative
    server_queries: Count
    latency_bound_ms: NotNegative
    latency_bound: str
    arrangement: str
    load_evidence: Literal["estimate", "proven"]
    server_p99_ms: NotNegative | UnsetType = UNSET
    agreement: AgreementInfo | UnsetType = UNSET
    arrangements: list[ArrangementInfo] = []
    server_runs: list[ServerRun] = []
    generator_limit: NotNegative | UnsetType = UNSET
    generator_share: NotNegative | UnsetType = UNSET
    outputs_compared: Count = 0
    repeated_image_speedup: NotNegative | UnsetType = UNSET
    a_a: Table = {}
    proof: ProofInfo = ProofInfo()
    notes: list[str] = []
    samples: Literal["tensor", "photo"] = "tensor"
    photographs: str = ""
    front: str = ""

    @property
    def from_jpeg(self) -> bool:
        """Whether a query is the bytes of a photograph, and not an image that is ready."""
        return self.samples == "photo"

    @property
    def estimate(self) -> float:
        """The estimated rate: of two cases it is the same kind of figure, also where one of them is
        proven, which takes a lower rate."""
        kept = [each.rate for each in self.server_runs if each.p99_ms <= self.latency_bound_ms]
        return max([self.server_rate, *kept])

    @property
    def contradictions(self) -> Iterator[str]:
        """What its figures say against each other, a sentence each."""
        p99, bound, rate = self.server_p99_ms, self.latency_bound_ms, self.server_rate
        if rate and p99 is not UNSET and p99 > bound and not isclose(p99, bound):
            yield (
                f"its server_rate is {rate:g}, but its server_p99_ms of {p99:g} is over its "
                f"latency_bound_ms of {bound:g}"
            )
        if self.load_evidence != "proven":
            return
        proof, said = self.proof, "its load_evidence is proven, but its"
        if proof.state != "KEPT" or proof.problems:
            yield f"{said} proof is UNPROVEN: {'; '.join(proof.problems) or 'it proves no rate'}"
        if not isclose(proof.rate, rate):
            yield f"{said} server_rate is {rate:g}, and the rate of its proof {proof.rate:g}"
        if not proof.queries == self.server_queries >= PROOF_QUERIES:
            yield (
                f"{said} server_queries are {self.server_queries:,}, and the queries of its proof "
                f"{proof.queries:,}: a proof takes {PROOF_QUERIES:,}"
            )
        if proof.late >= LATE_SHARE * proof.queries:
            yield f"{said} proof has {proof.late:,} late of {proof.queries:,} queries"
