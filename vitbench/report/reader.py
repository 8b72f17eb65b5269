"""The report: a pytest-benchmark JSON whose rows carry our `extra_info`. Reading and joining."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import convert

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.report.decode import decoded
from vitbench.report.extra import AgreementInfo
from vitbench.report.loaded import Load
from vitbench.report.misfit import misfit
from vitbench.report.row import LoadRow, OurRow, TimedRow
from vitbench.report.schema import SCHEMA_VERSION, AnyRow, Report, RunInfo
from vitbench.report.sound import LEFT_OUT, by_vitbench, is_ours, sound
from vitbench.report.timed import Timed


@dataclass(frozen=True)
class Row:
    """One case of a report and its benchmark dicts by group: latency, throughput, load ..."""

    case: Case
    benchmarks: Mapping[str, dict[str, Any]]

    @cached_property
    def typed(self) -> Mapping[str, OurRow]:
        """The benchmarks by group, as types."""
        return {group: convert(each, OurRow) for group, each in self.benchmarks.items()}

    @property
    def paired(self) -> TimedRow | None:
        """The benchmark that timed the case in pairs: latency if it ran."""
        found = self.typed.get("latency") or self.typed.get("throughput")
        return found if isinstance(found, TimedRow) else None

    @property
    def timed(self) -> Timed | None:
        """The extra_info of `paired`."""
        return self.paired.extra_info if self.paired else None

    @property
    def loaded(self) -> Load | None:
        """The extra_info of the benchmark under load."""
        found = self.typed.get("load")
        return found.extra_info if isinstance(found, LoadRow) else None

    @property
    def agreement(self) -> AgreementInfo | None:
        """Of the benchmark that timed the case in pairs, else of the one under load."""
        holder = self.timed or self.loaded
        return (holder.agreement or None) if holder else None


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of a report. A plain pytest-benchmark file is one too; it has no `rows`.

    A benchmark that is shaped otherwise than its types say, or has a figure that cannot
    be, is left out, and `sound.left_out` says why; the others stay. Raises UserError, which names
    the file and what is wrong, where it cannot be read, is not JSON, is of a newer schema, or does
    not fit in anything but a benchmark.
    """
    report = decoded(path)
    refuse_newer(report, str(path))
    wrong, checked = misfits(report)
    if wrong:
        raise UserError(f"{path}: not a report that vitbench can read: {wrong}")
    report.pop(LEFT_OUT, None)  # not for a file to say
    report = sound(report, str(path), checked)
    try:
        rows(report)
        for name in report.get("vitbench", {}).get("unavailable", {}):
            Case.parse(name)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return report


def misfits(report: Any) -> tuple[str, dict[int, str]]:
    """What does not fit the types of a report, a sentence each: in anything but a benchmark, ""
    where all fits; and in each benchmark that does not, by its index."""
    found = report.get("benchmarks") if isinstance(report, dict) else None
    benchmarks = found if isinstance(found, list) else []
    rest = report if benchmarks is not found else {**report, "benchmarks": []}
    at = "the report.benchmarks[{}]".format
    objects = (misfit(each, dict, at(index)) for index, each in enumerate(benchmarks))
    wrong = next(_beyond(rest), "") or misfit(rest, Report, "the report")
    if wrong := wrong or next(filter(None, objects), ""):
        return wrong, {}
    ours, checked = by_vitbench(report), dict[int, str]()
    for index, each in enumerate(benchmarks):
        wrong = next(_beyond(each, at(index)), "") or misfit(each, AnyRow, at(index))
        if not wrong and ours and is_ours(each):
            wrong = misfit(each, OurRow, at(index))
        if wrong:
            checked[index] = wrong
    return "", checked


def run_of(report: Mapping[str, Any]) -> RunInfo | None:
    """What vitbench wrote of the run; None of a report that is not by vitbench."""
    found = report.get("vitbench")
    return None if found is None else convert(found, RunInfo)


def rows(report: Mapping[str, Any]) -> list[Row]:
    """One Row per case, in order of first appearance, of the benchmarks that can be judged.

    Those without our extra_info are skipped. Raises UserError for an id that is not a case id.
    """
    joined: dict[str, dict[str, Any]] = {}
    for benchmark in sound(report)["benchmarks"]:
        if is_ours(benchmark):
            name = benchmark["extra_info"]["case"]["id"]
            joined.setdefault(name, {})[benchmark["group"]] = benchmark
    return [Row(Case.parse(name), benchmarks) for name, benchmarks in joined.items()]


def _beyond(value: Any, at: str = "the report") -> Iterator[str]:
    """What numbers no float can hold, one sentence each: an integer of Python knows no bound."""
    waiting = [(at, value)]  # no recursion: JSON may be nested deeper than Python calls
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{at}.{key}", member) for key, member in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{at}[{index}]", item) for index, item in enumerate(value)]
        elif isinstance(value, int) and abs(value) > sys.float_info.max:
            yield f"{at} is an integer of {len(str(abs(value)))} digits, beyond a float's range"


def refuse_newer(report: Any, name: str) -> None:
    """Raises UserError for a report of vitbench, of any shape, whose schema is not known yet."""
    if not by_vitbench(report):
        return
    found = report.get("benchmarks")
    ours = [each["extra_info"] for each in found if is_ours(each)] if type(found) is list else []
    for holder in (report.get("vitbench", {}), *ours):
        version = holder.get("schema")
        if type(version) is int and version > SCHEMA_VERSION:
            raise UserError(
                f"{name}: its schema is {version}, and this vitbench reads up to "
                f"{SCHEMA_VERSION}: read it with a newer vitbench"
            )
