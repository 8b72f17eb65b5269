"""A case that was timed in pairs, and its footprint, as types of a report."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from vitbench.report.extra import AgreementInfo, Count, Extra, NotNegative, Number, Table


class Reference(Struct, frozen=True):
    """`rounds` in seconds, each beside the round of `stats.data` with its index."""

    variant: str
    null_arm: bool
    rounds: list[Number]


class Ratio(Struct, frozen=True):
    """The paired speed-up with its interval; None where the rounds are too few for one."""

    speedup: Number
    low: Number | None
    high: Number | None
    standard_error: Number | None
    detectable: Number | None
    batches: int
    rounds: int


class Predictions(Struct, frozen=True, omit_defaults=True):
    """Of each image, what the case answers: `top1` of `single-label` and (the side) `binary`, else
    `answers`: indices of labels, values, or the nearest image. Two values of an output are the same
    within its `tolerance`."""

    images: list[str]
    top1: list[int]
    margin: list[Number]
    answers: list[str | list[Number]] = []
    tolerance: list[NotNegative] = []

    @property
    def by_image(self) -> dict[str, Any]:
        return dict(zip(self.images, self.answers or self.top1, strict=False))


class Flip(Struct, frozen=True):
    """An image whose top-1 is not fp32's. `thumbnail`: JPEG in base64."""

    image: str
    reference_label: str
    label: str
    reference_margin: Number
    margin: Number
    thumbnail: str


class OperatorInfo(Struct, frozen=True):
    name: str
    seconds: Number
    calls: Number


class Roofline(Struct, frozen=True):
    operations: Count | None
    peak_per_second: Number | None
    share: Number | None


class Stages(Struct, frozen=True):
    preprocess_seconds: Number
    stage_seconds: Number
    device_seconds: Number | None


class EnergyInfo(Struct, frozen=True):
    """Of calls one after the other. `source`: the counters, of the whole package or board."""

    joules_per_image: NotNegative
    source: str
    calls: Count
    seconds: NotNegative


class ComparedInfo(Struct, frozen=True):
    """Outputs of timed calls against the verified ones."""

    compared: Count
    repeatable: bool
    largest_difference: NotNegative


class Outputs(Struct, frozen=True):
    seed: Count
    rounds: list[Count]
    case: ComparedInfo
    reference: ComparedInfo


class Throttled(Struct, frozen=True):
    periods: Count
    seconds: NotNegative
    of_seconds: NotNegative


class Timed(Extra, frozen=True, kw_only=True):
    reference: Reference
    ratio: Ratio
    agreement: AgreementInfo
    predictions: Predictions
    p95_seconds: Number
    p99_seconds: Number
    images_per_second: Number
    flips: list[Flip] = []
    operators: list[OperatorInfo] = []
    roofline: Roofline | UnsetType = UNSET
    stages: Stages | UnsetType = UNSET
    outputs: Outputs | UnsetType = UNSET
    throttled: Throttled | None = None
    left_out: dict[str, str] = {}
    structure: Table = {}
    energy: EnergyInfo | UnsetType = UNSET


class Footprint(Extra, frozen=True, kw_only=True):
    build_seconds: Number | None
    load_seconds: Number
    first_inference_seconds: Number
    peak_memory_bytes: int
    baseline_memory_bytes: int
    cuda_peak_bytes: int | None
    outputs: ComparedInfo | UnsetType = UNSET
