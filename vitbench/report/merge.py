"""Reports of parallel jobs on machines of one kind as one report."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from vitbench.errors import UserError
from vitbench.report.decode import decoded
from vitbench.report.machine import machine, taken, with_weights
from vitbench.report.merged import Merged, Source
from vitbench.report.reader import read_report, rows, run_of
from vitbench.report.row import TimedRow
from vitbench.report.schema import RunInfo
from vitbench.report.sound import LEFT_OUT, key_of
from vitbench.report.timed import Ratio

Key = tuple[str, str]
"""Case and group of a benchmark, or the name of a plain one and ""."""


@dataclass(frozen=True)
class Part:
    """A report of one job. `report` has what can be judged, `benchmarks` all that the file has, by
    key: more than one of a key where the file is damaged."""

    name: str
    sha256: str
    report: Mapping[str, Any]
    benchmarks: Mapping[Key, Sequence[Mapping[str, Any]]]
    run: RunInfo
    taken: datetime

    @property
    def machine(self) -> dict[str, Any]:
        return machine(self.report)

    def is_reference(self, key: Key) -> bool:
        """Whether it is of the timing reference, which runs along in every job."""
        return bool(key[1]) and key[0].split("/")[1:2] == [self.run.reference]


def read_part(path: Path) -> Part:
    """The report of a job. Raises UserError where it is none of a run of vitbench."""
    report = read_report(path)
    run = run_of(report)
    if run is None:
        raise UserError(
            f"{path}: the report says nothing of its run, as those of vitbench do: merge takes "
            "reports of `pytest --benchmark-only` with vitbench"
        )
    if report["vitbench"].get("duet"):
        raise UserError(
            f"{path}: it is the report of a duet, whose verdicts belong to its own run: leave it "
            "out"
        )
    benchmarks: dict[Key, list[Mapping[str, Any]]] = {}
    for index, each in enumerate(decoded(path)["benchmarks"]):
        benchmarks.setdefault(key_of(index, each), []).append(each)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Part(str(path), digest, report, benchmarks, run, taken(report, str(path)))


def givers(parts: Sequence[Part], newest: bool = False) -> dict[Key, int]:
    """Whose figures of each benchmark a merged report has, by index: of several parts the first, or
    the `newest`; of the timing reference always the first."""
    found: dict[Key, int] = {}
    for index, part in enumerate(parts):
        for key in part.benchmarks:
            has = found.setdefault(key, index)
            if newest and not part.is_reference(key) and part.taken > parts[has].taken:
                found[key] = index
    return found


def merged(parts: Sequence[Part], newest: bool, whole: bool) -> dict[str, Any]:
    """One report of `parts` that have no conflicts (`conflicts.py`), with what each of them gave.

    It is taken when the last of them was. A case is unavailable where every part that tells of it
    says so, and failed where any part does. `selected`: the words of all parts; none if they are
    the `whole` suite.
    """
    first, chosen = parts[0], givers(parts, newest)
    sources = [
        source for index, part in enumerate(parts) for source in _sources(part, index, chosen)
    ]
    selected = [part.report["vitbench"].get("selected") for part in parts]
    run = {
        **first.report["vitbench"],
        "complete": all(part.run.complete for part in parts),
        "models": _union(part.report["vitbench"]["models"] for part in parts),
        "variants": _union(part.report["vitbench"].get("variants", {}) for part in parts),
        "unavailable": _unavailable(parts),
        "failed": _union(part.run.failed for part in parts),
        "merged": to_builtins(Merged(sources, whole)),
    }
    for name in ("selected", "readings", "peaks_per_second"):  # of one run each
        run.pop(name, None)
    if whole or None not in selected:
        words = [word for each in selected for word in each or ()]
        run["selected"] = [] if whole else list(dict.fromkeys(words))
    report = {
        **first.report,
        "machine_info": _machine_info(parts),
        "datetime": max(parts, key=lambda part: part.taken).report["datetime"],
        "benchmarks": [
            each
            for index, part in enumerate(parts)
            for key, those in part.benchmarks.items()
            for each in those
            if chosen[key] == index
        ],
        "vitbench": run,
    }
    report.pop(LEFT_OUT, None)  # what is left out of a part is among the benchmarks
    return report


def _sources(part: Part, index: int, chosen: Mapping[Key, int]) -> list[Source]:
    """The part; of one that was merged before, the reports that it was made of."""
    own = {key for key in part.benchmarks if chosen[key] == index}
    arms = _null_arms(part)
    sources = part.run.merged.sources if part.run.merged else [_source(part)]
    found = []
    for each in sources:
        lost = [key for key in each.rows if key not in own]
        found.append(
            replace(
                each,
                rows=[key for key in each.rows if key in own],
                not_taken=[*each.not_taken, *lost],
                null_arms=each.null_arms
                | {" ".join(key): arms[key] for key in lost if key in arms},
            )
        )
    return found


def _source(part: Part) -> Source:
    ours, path = part.report["vitbench"], Path(part.name)
    return Source(
        file=path.name if path.is_absolute() else path.as_posix(),
        sha256=part.sha256,
        datetime=str(part.report["datetime"]),
        node=str(part.report.get("machine_info", {}).get("node") or ""),
        complete=part.run.complete,
        rows=[*part.benchmarks],
        selected=ours.get("selected"),
        readings=ours.get("readings", {}),
        peaks_per_second=ours.get("peaks_per_second", {}),
    )


def _null_arms(part: Part) -> dict[Key, Ratio]:
    """What the null arms of a part showed."""
    return {
        (row.case.id, group): each.extra_info.ratio
        for row in rows(part.report)
        for group, each in row.typed.items()
        if isinstance(each, TimedRow) and each.extra_info.reference.null_arm
    }


def _unavailable(parts: Sequence[Part]) -> dict[str, str]:
    """What no other part has figures of: a job with other extras may have measured it."""
    having = [{key[0] for key in part.benchmarks} for part in parts]
    return {
        case: why
        for part, own in reversed([*zip(parts, having, strict=True)])
        for case, why in part.run.unavailable.items()
        if case in own or not any(case in each for each in having)
    }


def _machine_info(parts: Sequence[Part]) -> dict[str, Any]:
    """That of the first part, with the nodes, weights and versions of all."""
    infos = [part.report.get("machine_info", {}) for part in parts]
    nodes = dict.fromkeys(str(each["node"]) for each in infos if each.get("node"))
    found = {**infos[0], **({"node": ", ".join(nodes)} if nodes else {})}
    if parts[0].machine:
        weights = _union(part.machine.get("weights", {}) for part in parts)
        versions = _union(part.machine.get("versions", {}) for part in parts)
        found["vitbench"] = with_weights({**parts[0].machine, "versions": versions}, weights)
    return found


def _union(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All keys; the value of the first table that has one."""
    found: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            found.setdefault(key, value)
    return found
