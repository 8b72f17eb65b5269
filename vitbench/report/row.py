"""The benchmarks of vitbench in a report, as types; schema.py has the report around them.

What their `extra_info` has: extra.py, timed.py, loaded.py, photo.py.
"""

from msgspec import Struct

from vitbench.report.extra import AgreementInfo, Extra, Stats, Table
from vitbench.report.loaded import Load
from vitbench.report.photo import PhotoInfo
from vitbench.report.timed import ComparedInfo, Footprint, Timed


class DuetInfo(Extra, frozen=True, kw_only=True):
    verdict: Table
    blocks: list[Table]
    agreement: AgreementInfo
    outputs: dict[str, ComparedInfo] = {}


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
