"""The report as types: what a reader may rely on. Its JSON Schema is made from them.

    python -m vitbench.report.schema > vitbench/report/report.schema.json

Types name what vitbench reads; whatever else stands in a report is kept and not looked at. A field
with a default is not in every report; one of UNSET may be missing and may not be null.
"""

import json
import sys
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import schema_components

from vitbench.report.extra import Table
from vitbench.report.merged import Merged
from vitbench.report.row import OurRow

# Schema history; the types describe the newest. A reader accepts all up to its own.
#   1  vitbench 0.1.0: top-level `vitbench`; `extra_info` of latency, throughput and footprint.
#   2  a fingerprint class for each model (machine_info.vitbench.classes), which cases a run was
#      told to have (vitbench.selected), and of each model the digests of its image files and of
#      the pixels that reach it (vitbench.models.NAME.images). Nothing of schema 1 changed.
SCHEMA_VERSION = 2


class AnyRow(Struct, frozen=True):
    """A benchmark of any suite."""

    group: str | None
    stats: Table
    extra_info: Table


class WeightsInfo(Struct, frozen=True):
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


class VariantInfo(Struct, frozen=True):
    """A variant of a project or of a package. `origin` is a file or a package with its version;
    `code` digests the source files of a `transform`."""

    runtime: str
    precision: str
    limits: Table
    origin: str
    options: Table = {}
    transform: str | None = None
    code: str | None = None
    artifact: str | None = None


class ModelInfo(Struct, frozen=True):
    """`origin` is where the spec was written; `settings` what was set of the model there."""

    spec: str
    architecture: Table
    weights: WeightsInfo
    labels: int
    origin: str = "--model"
    settings: Table = {}
    head: str = "single-label"
    threshold: float = 0.5
    notes: list[str] = []
    calibration: Calibration | None = None
    images: ModelImages | UnsetType = UNSET


class ImagesInfo(Struct, frozen=True):
    source: str
    count: int
    photographs: int
    sha256: str
    labelled: bool


class MachinePrice(Struct, frozen=True):
    """What an hour of the machine costs. `origin`: `--price`, or the file that says so."""

    name: str
    per_hour: float
    origin: str


class RunInfo(Struct, frozen=True):
    """`unavailable` and `failed`: the reason by case id. `variants`: those that are not
    vitbench's own. `merged`: None of a report that one run wrote."""

    schema: int
    version: str
    complete: bool
    threads: int
    reference: str
    models: dict[str, ModelInfo]
    images: ImagesInfo
    unavailable: dict[str, str]
    failed: dict[str, str]
    readings: Table = {}
    selected: list[str] = []
    variants: dict[str, VariantInfo] = {}
    price: MachinePrice | None = None
    merged: Merged | None = None


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
    vitbench: RunInfo | UnsetType = UNSET


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
