"""The benchmarks of vitbench in a report, as types; schema.py has the report around them.

A field with a default is not in every report.
"""

import sys
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Number = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""A number of JSON: neither NaN nor infinite."""
NotNegative = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Table = dict[str, Any]


class CaseInfo(Struct, frozen=True):
    id: str
    model: str
    variant: str
    device: str
    batch: Positive


class TransformInfo(Struct, frozen=True):
    """A recipe of the user's own: `package.module:function`, and the digest of the source files
    that it stands on."""

    function: str
    sha256: str


class ServerInfo(Struct, frozen=True):
    """A server that ran already. `tensors`: how they travel, `binary` or `JSON`."""

    url: str
    software: str
    platform: str
    tensors: str


class ArtifactInfo(Struct, frozen=True):
    """`server`: nothing was built, and the artifact is what the server says of its model."""

    bytes: Count | None  # None: a server has it
    sha256: str
    suffix: str
    build_seconds: Number | None  # None: another tool built it, or a server has it
    built: bool
    quantized_layers: Count = 0
    float_layers: Count = 0
    float_by_option: Count = 0  # of float_layers, those that the recipe's option names
    transform: TransformInfo | None = None
    server: ServerInfo | None = None


class Stats(Struct, frozen=True):
    """Seconds."""

    data: list[Number]
    median: Number


class AgreementInfo(Struct, frozen=True):
    """`share`, `lower` and `upper`: of images with the reference's answer, of heads that have one.
    `error`, of a regression, and `centred_cosine`, of an embedding, are off the reference's mean.
    """

    state: Literal["KEPT", "BROKEN", "UNPROVEN"]
    sentence: str
    matched: Count
    images: Count
    effective_images: NotNegative
    share: Number | None
    lower: Number
    upper: Number
    cosine: Number | None
    relative_error: Number | None
    top1: Number | None
    top5: Number | None
    reference_top1: Number | None
    claimed: bool
    head: Literal["single-label", "binary", "multi-label", "regression", "embedding"] = (
        "single-label"
    )
    error: Number | None = None
    error_upper: Number | None = None
    centred_cosine: Number | None = None

    @property
    def worth(self) -> float | None:
        """How many independent images one is worth, at most 1; None where nothing is claimed."""
        claimed = self.claimed and self.images
        return min(1.0, self.effective_images / self.images) if claimed else None

    @property
    def itself(self) -> bool:
        """Whether it is that of the reference with itself: no number of images bounds another's
        agreement by 1."""
        return self.lower >= 1


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


class PriceInfo(Struct, frozen=True):
    """What an hour of the machine costs, and how many images and requests a unit of money buys."""

    per_hour: NotNegative
    images_per_unit: NotNegative | None = None
    requests_per_unit: NotNegative | None = None


class Extra(Struct, frozen=True, kw_only=True):
    """What every benchmark of vitbench has in `extra_info`."""

    schema: int
    case: CaseInfo
    artifact: ArtifactInfo
    kind: Literal["latency", "throughput", "footprint", "load", "photo"] | UnsetType = UNSET
    waited_seconds: NotNegative | UnsetType = UNSET
    price: PriceInfo | UnsetType = UNSET


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


class FrontInfo(Struct, frozen=True):
    """A front half. `share`: of photographs with the reference's answer; `pixel_difference`: the
    largest on a photograph from the model's own preprocessing, in standard deviations of its
    pixels; `seconds`: of the front half by itself, by the name of the photograph; `over_own`: of
    the whole chain with it, as multiples of that with Pillow and the model's own preprocessing."""

    name: str
    state: Literal["REFERENCE", "KEPT", "BROKEN", "UNPROVEN", "unavailable"]
    sentence: str
    share: Number | None = None
    relative_error: Number | None = None
    pixel_difference: NotNegative | None = None
    seconds: dict[str, Number] = {}
    over_own: dict[str, Number] = {}


class PhotographInfo(Struct, frozen=True):
    """A JPEG through the chain with the fastest front half. `ratio`: against the chain of Pillow
    and the model's own preprocessing; `over_inference`: against inference alone; the shares are of
    either front half in its chain."""

    name: str
    width: Positive
    height: Positive
    bytes: Positive
    front: str
    seconds: Number
    ratio: Ratio
    over_inference: Ratio
    front_share: NotNegative
    own_share: NotNegative


class FrontReference(Struct, frozen=True):
    """Seconds of the chain of Pillow and the model's own preprocessing."""

    rounds: list[Number]


class PhotoInfo(Extra, frozen=True, kw_only=True):
    """From JPEG bytes to the answer. `front` is the front half of the row's rounds; the first of
    `photographs` is theirs; `judged` photographs decided on `fronts`, and so did `pixel_limit`."""

    front: str
    front_share: NotNegative
    ratio: Ratio
    reference: FrontReference
    judged: Count
    photographs: list[PhotographInfo]
    fronts: list[FrontInfo]
    pixel_limit: NotNegative | UnsetType = UNSET
    throttled: Throttled | None = None


class DuetInfo(Extra, frozen=True, kw_only=True):
    verdict: Table
    blocks: list[Table]
    agreement: AgreementInfo
    outputs: dict[str, ComparedInfo] = {}


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
    proof: Table = {}
    notes: list[str] = []

    @property
    def estimate(self) -> float:
        """The estimated rate: of two cases it is the same kind of figure, also where one of them is
        proven, which takes a lower rate."""
        kept = [each.rate for each in self.server_runs if each.p99_ms <= self.latency_bound_ms]
        return max([self.server_rate, *kept])


class LatencyRow(Struct, frozen=True, tag_field="group", tag="latency"):
    stats: Stats
    extra_info: Timed


class ThroughputRow(Struct, frozen=True, tag_field="group", tag="throughput"):
    stats: Stats
    extra_info: Timed


class FootprintRow(Struct, frozen=True, tag_field="group", tag="footprint"):
    stats: Stats
    extra_info: Footprint


class LoadRow(Struct, frozen=True, tag_field="group", tag="load"):
    stats: Stats
    extra_info: Load


class PhotoRow(Struct, frozen=True, tag_field="group", tag="photo"):
    stats: Stats
    extra_info: PhotoInfo


class DuetRow(Struct, frozen=True, tag_field="group", tag="duet"):
    stats: Stats
    extra_info: DuetInfo


TimedRow = LatencyRow | ThroughputRow
"""A benchmark that timed a case in pairs."""
OurRow = LatencyRow | ThroughputRow | FootprintRow | LoadRow | PhotoRow | DuetRow
"""A benchmark of vitbench."""
