"""The report as types: what a reader may rely on. Its JSON Schema is made from them.

    python -m vitbench.report.schema > vitbench/report/report.schema.json

Types name what vitbench reads; whatever else stands in a report is kept and not looked at. A field
with a default is not in every report; one of UNSET may be missing and may not be null.
"""

import json
import sys
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.json import schema_components

# Schema history; the types describe the newest. A reader accepts all up to its own.
#   1  vitbench 0.1.0: top-level `vitbench`; `extra_info` of latency, throughput and footprint.
#   2  a fingerprint class for each model (machine_info.vitbench.classes), which cases a run was
#      told to have (vitbench.selected), and of each model the digests of its image files and of
#      the pixels that reach it (vitbench.models.NAME.images). Nothing of schema 1 changed.
SCHEMA_VERSION = 2

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


class Artifact(Struct, frozen=True):
    bytes: Count
    sha256: str
    suffix: str
    build_seconds: Number
    built: bool
    quantized_layers: Count = 0
    float_layers: Count = 0


class Stats(Struct, frozen=True):
    """Seconds."""

    data: list[Number]
    median: Number


class AgreementInfo(Struct, frozen=True):
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


class Predictions(Struct, frozen=True):
    images: list[str]
    top1: list[int]
    margin: list[Number]


class Flip(Struct, frozen=True):
    """An image whose top-1 is not fp32's. `thumbnail`: JPEG in base64."""

    image: str
    reference_label: str
    label: str
    reference_margin: Number
    margin: Number
    thumbnail: str


class Operator(Struct, frozen=True):
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


class Compared(Struct, frozen=True):
    """Outputs of timed calls against the verified ones."""

    compared: Count
    repeatable: bool
    largest_difference: NotNegative


class Outputs(Struct, frozen=True):
    seed: Count
    rounds: list[Count]
    case: Compared
    reference: Compared


class Throttled(Struct, frozen=True):
    periods: Count
    seconds: NotNegative
    of_seconds: NotNegative


class Extra(Struct, frozen=True, kw_only=True):
    """What every benchmark of vitbench has in `extra_info`."""

    schema: int
    case: CaseInfo
    artifact: Artifact
    kind: Literal["latency", "throughput", "footprint"] | UnsetType = UNSET
    waited_seconds: NotNegative | UnsetType = UNSET


class Timed(Extra, frozen=True, kw_only=True):
    reference: Reference
    ratio: Ratio
    agreement: AgreementInfo
    predictions: Predictions
    p95_seconds: Number
    p99_seconds: Number
    images_per_second: Number
    flips: list[Flip] = []
    operators: list[Operator] = []
    roofline: Roofline | UnsetType = UNSET
    stages: Stages | UnsetType = UNSET
    outputs: Outputs | UnsetType = UNSET
    throttled: Throttled | None = None
    left_out: dict[str, str] = {}


class Footprint(Extra, frozen=True, kw_only=True):
    build_seconds: Number
    load_seconds: Number
    first_inference_seconds: Number
    peak_memory_bytes: int
    baseline_memory_bytes: int
    cuda_peak_bytes: int | None
    outputs: Compared | UnsetType = UNSET


class Duet(Extra, frozen=True, kw_only=True):
    verdict: Table
    blocks: list[Table]
    agreement: AgreementInfo
    outputs: dict[str, Compared] = {}


class LatencyRow(Struct, frozen=True, tag_field="group", tag="latency"):
    stats: Stats
    extra_info: Timed


class ThroughputRow(Struct, frozen=True, tag_field="group", tag="throughput"):
    stats: Stats
    extra_info: Timed


class FootprintRow(Struct, frozen=True, tag_field="group", tag="footprint"):
    stats: Stats
    extra_info: Footprint


class DuetRow(Struct, frozen=True, tag_field="group", tag="duet"):
    stats: Stats
    extra_info: Duet


OurRow = LatencyRow | ThroughputRow | FootprintRow | DuetRow
"""A benchmark of vitbench."""


class AnyRow(Struct, frozen=True):
    """A benchmark of any suite."""

    group: str | None
    stats: Table
    extra_info: Table


class Weights(Struct, frozen=True):
    origin: str
    sha256: str
    file_sha256: str | None
    synthetic: bool
    note: str


class Calibration(Struct, frozen=True):
    sentence: str
    source: str
    own: bool
    count: int
    photographs: int
    files_sha256: str
    pixels_sha256: str


class ModelImages(Struct, frozen=True):
    """The images of a model: digests of their files, and of the pixels that reach the model."""

    source: str
    count: int
    photographs: int
    files_sha256: str
    pixels_sha256: str
    labelled: bool | UnsetType = UNSET
    labels_sha256: str | None = None
    remarks: list[str] = []


class Model(Struct, frozen=True):
    spec: str
    architecture: Table
    weights: Weights
    labels: int
    notes: list[str] = []
    calibration: Calibration | None = None
    images: ModelImages | UnsetType = UNSET


class Images(Struct, frozen=True):
    source: str
    count: int
    photographs: int
    sha256: str
    labelled: bool


class Run(Struct, frozen=True):
    """`unavailable` and `failed`: the reason by case id."""

    schema: int
    version: str
    complete: bool
    threads: int
    reference: str
    models: dict[str, Model]
    images: Images
    unavailable: dict[str, str]
    failed: dict[str, str]
    readings: Table = {}
    selected: list[str] = []


class Machine(Struct, frozen=True):
    """What `machine.py` and `hardware.py` read, tolerantly; only `classes` has a fixed shape."""

    classes: dict[str, str] = {}


class MachineInfo(Struct, frozen=True):
    vitbench: Machine | UnsetType = UNSET


class Report(Struct, frozen=True):
    """A report of pytest-benchmark, by vitbench where it has `vitbench`."""

    benchmarks: list[AnyRow]
    machine_info: MachineInfo = MachineInfo()
    commit_info: Table = {}
    datetime: str | UnsetType = UNSET
    version: str | UnsetType = UNSET
    vitbench: Run | UnsetType = UNSET


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a report."""
    (report, ours), types = schema_components([Report, OurRow], ref_template="#/$defs/{name}")
    # In a report of vitbench a benchmark that names its case is of vitbench.
    own = {
        "properties": {
            "extra_info": {
                "required": ["schema", "case"],
                "properties": {"case": {"type": "object"}},
            }
        }
    }
    rows = {"properties": {"benchmarks": {"items": {"if": own, "then": ours}}}}
    title = f"A pytest-benchmark report with vitbench's extra_info, schemas 1 to {SCHEMA_VERSION}"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **report,
        "if": {"required": ["vitbench"]},
        "then": rows,
        "$defs": {name: _readable(each) for name, each in sorted(types.items())},
    }


def _readable(schema: Any) -> Any:
    """Without the bounds of a float, which JSON's numbers have anyway, and docstrings' indents."""
    if isinstance(schema, list):
        return [_readable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    bounds = {"minimum": -sys.float_info.max, "maximum": sys.float_info.max}
    return {
        key: " ".join(each.split()) if key == "description" and isinstance(each, str)
        else _readable(each)
        for key, each in schema.items()
        if bounds.get(key) != each or isinstance(each, dict)
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))
