"""What a row of a report says of a case under load."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vitbench.judge.agreement import Agreement
from vitbench.load.arrangement import Arrangement
from vitbench.load.load_run import LoadRun, Proof
from vitbench.load.photo_samples import PhotoSamples
from vitbench.load.samples import PHOTO, TENSOR
from vitbench.measure.measurement import Subject
from vitbench.measure.remembering import Repeated
from vitbench.stats.queueing import percentile

ESTIMATE, PROVEN = "estimate", "proven"
NEAR_LIMIT = 0.5  # of what the generator can send


@dataclass(frozen=True)
class Tried:
    """An arrangement: images a second of Offline, and the rate that a simulated queue with its
    measured services carries within the bound. `call_seconds` is the median call on one image,
    `batches` are the sizes that its calls have."""

    arrangement: Arrangement
    batches: tuple[int, ...]
    images_per_second: float
    call_seconds: float
    rate: float

    def to_json(self) -> dict[str, Any]:
        return {
            "arrangement": str(self.arrangement),
            "option": self.arrangement.option,
            "instances": self.arrangement.instances,
            "threads": self.arrangement.threads,
            "streams": self.arrangement.streams,
            "window_ms": self.arrangement.window_ms,
            "offline_images_per_s": self.images_per_second,
            "call_ms": 1000 * self.call_seconds,
            "simulated_rate": self.rate,
        }


@dataclass(frozen=True)
class LoadMeasurement:
    """A case under load: every arrangement that was `tried`, of which `best` carries the highest
    rate, the SingleStream run that was the fastest, the Server `runs` in their order, the last of
    which is at the estimated rate, the A/A run (`again`, under the same seed), and a `proof`, if
    one was asked for. `compared` outputs of timed calls were those that were verified.
    `generator_limit` is what the generator can send, queries a second."""

    subject: Subject
    agreement: Agreement
    bound_ms: float
    bound_words: str
    tried: Sequence[Tried]
    best: Tried
    single: LoadRun
    single_arrangement: Arrangement
    offline: Tried
    runs: Sequence[LoadRun]
    again: LoadRun | None
    proof: Proof | None
    compared: int
    repeated: Repeated
    generator_limit: float
    waited_seconds: float
    photo: PhotoSamples | None = None
    notes: Sequence[str] = ()

    @property
    def estimate(self) -> LoadRun | None:
        """The Server run at the estimated rate; None where no rate keeps the bound."""
        return self.runs[-1] if self.runs and self.runs[-1].keeps_bound else None

    @property
    def proven(self) -> bool:
        return self.proof is not None and not self.proof.problems

    @property
    def run(self) -> LoadRun | None:
        """The run that the rate rests on."""
        return self.proof.run if self.proof and self.proven else self.estimate

    @property
    def rate(self) -> float:
        """Requests a second; 0 where no rate keeps the bound."""
        return self.run.scenario.rate if self.run else 0.0

    @property
    def seconds(self) -> list[float]:
        """Of the SingleStream queries, each."""
        return [float(each) for each in self.single.latency]

    @property
    def lines(self) -> list[str]:
        """For people: the figures, every arrangement that was tried, controls and notes."""
        single, bound = 1000 * self.single.tail_seconds, f"{self.bound_ms:g} ms"
        lines = [self.photo.words] if self.photo else []
        lines += [
            f"{self.subject.case.id}: SingleStream p90 {single:.3g} ms ({self.single.queries} "
            f"queries); Offline {self.offline.images_per_second:.3g} images/s as "
            f"{self.offline.arrangement}"
        ]
        if self.run:
            evidence = PROVEN if self.proven else ESTIMATE
            lines.append(
                f"Server {self.rate:.3g} requests/s ({evidence}): p99 "
                f"{1000 * self.run.tail_seconds:.3g} of {bound}, {self.run.queries:,} queries, as "
                f"{self.best.arrangement}; the generator took {self.run.generator_share:.1%} of a "
                "core"
            )
        lines += [
            f"{each.arrangement}: call {1000 * each.call_seconds:.3g} ms, "
            f"{each.images_per_second:.3g} images/s, simulated {each.rate:.3g} requests/s"
            for each in (self.tried if len(self.tried) > 1 else ())
        ]
        if self.again:
            first, second = (1000 * each.tail_seconds for each in (self.runs[-1], self.again))
            lines.append(f"A/A, the same seed again: p99 {first:.3g} and {second:.3g} ms")
        return [*lines, *self.notes]

    @property
    def bound_problem(self) -> str:
        """Why no rate keeps the bound."""
        if self.runs:
            last = self.runs[-1]
            return (
                f"at {last.scenario.rate:.3g}/s, the lowest that was tried, its p99 is "
                f"{1000 * last.tail_seconds:.3g} ms"
            )
        if (window_ms := self.best.arrangement.window_ms) >= self.bound_ms:
            return (
                f"a window of {window_ms:g} ms leaves nothing of it: name a shorter window in "
                "--arrangement"
            )
        single = 1000 * percentile(self.single.latency)
        alone = f"one query at a time has a p99 of {single:.3g} ms"
        if single > self.bound_ms:
            return f"{alone}: a longer --latency-bound does"
        window = f"a window of {window_ms:g} ms and " if window_ms else ""
        shorter = "a shorter window in --arrangement, or " if window_ms else ""
        return (
            f"{alone}, but with {window}a call of {1000 * self.best.call_seconds:.3g} ms (median) "
            f"under load more than 1 % of the requests exceed it: {shorter}a longer "
            "--latency-bound does"
        )

    def to_json(self) -> dict[str, Any]:
        """The row beside the seconds of SingleStream, which pytest-benchmark writes."""
        row: dict[str, Any] = {
            **self.subject.to_json(),
            "waited_seconds": self.waited_seconds,
            "agreement": self.agreement.to_json(),
            "single_stream_p90_ms": 1000 * self.single.tail_seconds,
            "single_stream_queries": self.single.queries,
            "single_stream_arrangement": str(self.single_arrangement),
            "offline_images_per_s": self.offline.images_per_second,
            "offline_arrangement": str(self.offline.arrangement),
            "server_rate": self.rate,
            "server_queries": self.run.queries if self.run else 0,
            "latency_bound_ms": self.bound_ms,
            "latency_bound": self.bound_words,
            "arrangement": str(self.best.arrangement),
            "load_evidence": PROVEN if self.proven else ESTIMATE,
            "arrangements": [each.to_json() for each in self.tried],
            "server_runs": [each.to_json() for each in self.runs],
            "generator_limit": self.generator_limit,
            "outputs_compared": self.compared,
            "repeated_image_speedup": self.repeated.speedup,
            "notes": list(self.notes),
            "samples": PHOTO if self.photo else TENSOR,
            **(self.photo.to_json() if self.photo else {}),
        }
        if self.run:
            row["server_p99_ms"] = 1000 * self.run.tail_seconds
            row["generator_share"] = self.run.generator_share
        if self.again:
            row["a_a"] = _control(self.runs[-1], self.again)
        if self.proof:
            row["proof"] = self.proof.to_json()
        return row


def _control(one: LoadRun, other: LoadRun) -> Mapping[str, Any]:
    """The same arrangement twice under the same seed: what the machine does by itself."""
    return {
        "p99_ms": [1000 * one.tail_seconds, 1000 * other.tail_seconds],
        "mean_ratio": float(other.latency.mean() / one.latency.mean()),
        "p99_ratio": other.tail_seconds / one.tail_seconds,
    }


def notes_of(found: LoadMeasurement) -> Iterator[str]:
    """Sentences on what a reader of the row must know."""
    if not found.run:
        tried = " that was tried" if found.runs else ""
        yield f"no rate{tried} keeps {found.bound_ms:g} ms: {found.bound_problem}"
    if found.rate > NEAR_LIMIT * found.generator_limit:
        yield (
            f"{found.rate:,.0f} requests/s are near what the generator itself can send "
            f"({found.generator_limit:,.0f}/s): the rate may be its limit"
        )
    if found.proof and found.proof.problems:
        rate = found.proof.run.scenario.rate
        yield f"{rate:.3g} requests/s are not proven: {'; '.join(found.proof.problems)}"
