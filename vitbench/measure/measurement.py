"""What a row of a report says of a case: frozen, with `to_json`, whoever timed it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np

from vitbench.build.entry import Artifact
from vitbench.case import Case
from vitbench.judge.agreement import Agreement
from vitbench.report.schema import SCHEMA_VERSION
from vitbench.report.timed import Outputs, Predictions
from vitbench.stats.intervals import PairedRatio, paired_ratio


@dataclass(frozen=True)
class Subject:
    """What a row is about: a case, and the artifact that was measured."""

    case: Case
    artifact: Artifact

    def to_json(self) -> dict[str, Any]:
        """What every row begins with. Of a running server neither size nor build is known."""
        artifact, built = self.artifact, not self.artifact.server
        return {
            "schema": SCHEMA_VERSION,
            "case": {"id": self.case.id, **asdict(self.case)},
            "artifact": {
                "bytes": artifact.bytes if built else None,
                "sha256": artifact.sha256,
                "suffix": artifact.path.suffix,
                "build_seconds": artifact.build_seconds if built else None,
                "built": built and artifact.built,
                **artifact.server,
                **artifact.layers,
                **artifact.transform,
            },
        }


@dataclass(frozen=True)
class Measurement:
    """A case that was verified, and then timed in pairs with its reference.

    `seconds` and `reference_seconds` have an entry for each round. `waited_seconds` passed before
    this machine was free, `throttled` says for how long the kernel stopped the process (None where
    no quota counts). `operations` are those of one call and `peak_per_second` what the precision
    reaches here; None where that is unknown. `left_out` names what could not be measured, with the
    reason. `structure` is what a call executes, where that was asked for. `outputs.seed` drew the
    rounds, from 0, whose outputs were compared.
    """

    subject: Subject
    seconds: Sequence[float]
    reference: Case
    reference_seconds: Sequence[float]
    waited_seconds: float
    throttled: Mapping[str, float] | None
    agreement: Agreement
    outputs: Outputs
    predictions: Predictions
    flips: Sequence[Mapping[str, Any]]
    operations: int | None
    peak_per_second: float | None
    stages: Mapping[str, float | None] | None
    operators: Sequence[Mapping[str, Any]]
    left_out: Mapping[str, str]
    structure: Mapping[str, Any] | None = None
    energy: Mapping[str, Any] | None = None

    @property
    def null_arm(self) -> bool:
        """Whether the case was timed against a second copy of itself."""
        return self.reference == self.subject.case

    @property
    def ratio(self) -> PairedRatio:
        """How many times as fast as its reference the case ran."""
        return paired_ratio(self.seconds, self.reference_seconds)

    @property
    def peak_share(self) -> float | None:
        """The share of the precision's peak that the median call reaches."""
        if self.operations is None or self.peak_per_second is None:
            return None
        return self.operations / float(np.median(self.seconds)) / self.peak_per_second

    def to_json(self) -> dict[str, Any]:
        """The row beside its seconds, which pytest-benchmark writes."""
        row = {
            **self.subject.to_json(),
            "waited_seconds": self.waited_seconds,
            "throttled": self.throttled,
            "reference": {
                "variant": self.reference.variant,
                "null_arm": self.null_arm,
                "rounds": list(self.reference_seconds),
            },
            "ratio": asdict(self.ratio),
            "agreement": self.agreement.to_json(),
            "outputs": msgspec.to_builtins(self.outputs),
            "predictions": msgspec.to_builtins(self.predictions),
            "flips": list(self.flips),
            "roofline": {
                "operations": self.operations,
                "peak_per_second": self.peak_per_second,
                "share": self.peak_share,
            },
            "operators": list(self.operators),
            "p95_seconds": float(np.percentile(self.seconds, 95)),
            "p99_seconds": float(np.percentile(self.seconds, 99)),
            "images_per_second": self.subject.case.batch * len(self.seconds) / sum(self.seconds),
        }
        if self.stages is not None:
            row["stages"] = dict(self.stages)
        if self.energy is not None:
            row["energy"] = dict(self.energy)
        if self.structure is not None:
            row["structure"] = dict(self.structure)
        if self.left_out:
            row["left_out"] = dict(self.left_out)
        return row


@dataclass(frozen=True)
class FootprintMeasurement:
    """What a process of its own measured of a case that it loads and calls.

    `figures` are those of `measure.footprint.Fresh`, `outputs` what the witness of its answers saw.
    """

    subject: Subject
    figures: Mapping[str, Any]
    waited_seconds: float
    outputs: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """From the artifact's file to the first logits."""
        return float(self.figures["load_seconds"] + self.figures["first_inference_seconds"])

    def to_json(self) -> dict[str, Any]:
        return {
            **self.subject.to_json(),
            "waited_seconds": self.waited_seconds,
            "build_seconds": self.subject.artifact.build_seconds,
            "outputs": dict(self.outputs),
            **self.figures,
        }
