"""The report: a pytest-benchmark JSON whose rows carry our `extra_info`. Reading and joining."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.judge.shape import misfits

# Schema history; report.schema.json describes the newest. A reader accepts all up to its own.
#   1  vitbench 0.1.0: top-level `vitbench`; `extra_info` of latency, throughput and footprint.
#   2  a fingerprint class for each model (machine_info.vitbench.classes), which cases a run was
#      told to have (vitbench.selected). Nothing that schema 1 has changed its meaning.
SCHEMA_VERSION = 2
_SCHEMA = Path(__file__).with_name("report.schema.json")


@dataclass(frozen=True)
class Row:
    """One case of a report and its benchmark dicts by group: latency, throughput, footprint."""

    case: Case
    benchmarks: Mapping[str, dict[str, Any]]

    @property
    def timed(self) -> dict[str, Any] | None:
        """The extra_info of the benchmark that timed the case in pairs: latency if it ran."""
        found = self.benchmarks.get("latency") or self.benchmarks.get("throughput")
        return found["extra_info"] if found else None


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of a report. A plain pytest-benchmark file is one too; it has no `rows`.

    Raises UserError, which names the file and what is wrong, where it cannot be read, is not
    JSON, is shaped otherwise than report.schema.json says, or is of a newer schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot read the report: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a report: not UTF-8 text") from error
    if not text.strip():
        raise UserError(f"{path}: not a report: the file is empty")
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a report, or a damaged one: not JSON: {error}") from error
    for version in _versions(report):
        if version > SCHEMA_VERSION:
            raise UserError(
                f"{path}: its schema is {version}, and this vitbench reads up to "
                f"{SCHEMA_VERSION}: read it with a newer vitbench"
            )
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    for misfit in chain(_beyond(report), misfits(report, schema, schema, "the report")):
        raise UserError(f"{path}: not a report that vitbench can read: {misfit}")
    try:
        rows(report)
        for name in report.get("vitbench", {}).get("unavailable", {}):
            Case.parse(name)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return dict(report)


def rows(report: Mapping[str, Any]) -> list[Row]:
    """One Row per case, in order of first appearance.

    Benchmarks without our extra_info are skipped; of two of one case and group the later stands.
    Raises UserError for an id that is not a case id.
    """
    joined: dict[str, dict[str, Any]] = {}
    for benchmark in report["benchmarks"]:
        if "case" not in benchmark["extra_info"] or "schema" not in benchmark["extra_info"]:
            continue
        name = benchmark["extra_info"]["case"]["id"]
        joined.setdefault(name, {})[benchmark["group"]] = benchmark
    return [Row(Case.parse(name), benchmarks) for name, benchmarks in joined.items()]


def _beyond(report: Any) -> Iterator[str]:
    """What numbers no float can hold, one sentence each: an integer of Python knows no bound."""
    waiting = [("the report", report)]  # no recursion: JSON may be nested deeper than Python calls
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{at}.{key}", member) for key, member in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{at}[{index}]", item) for index, item in enumerate(value)]
        elif isinstance(value, int) and abs(value) > sys.float_info.max:
            yield f"{at} is an integer of {len(str(abs(value)))} digits, beyond a float's range"


def _versions(report: Any) -> Iterator[int]:
    """The schema numbers that a report of any shape states."""
    if not isinstance(report, dict):
        return
    holders = [report.get("vitbench")]
    if isinstance(report.get("benchmarks"), list):
        benchmarks = [item for item in report["benchmarks"] if isinstance(item, dict)]
        holders += [benchmark.get("extra_info") for benchmark in benchmarks]
    for holder in holders:
        if isinstance(holder, dict) and type(holder.get("schema")) is int:
            yield holder["schema"]
