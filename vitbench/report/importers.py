"""Figures of other tools as plain pytest-benchmark reports, so that a history keeps them."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.report.decode import text_of
from vitbench.report.files import write
from vitbench.report.timm_rows import benchmarks, has_times, parse

FROM_TIMM = "imported"
"""In place of the version of pytest-benchmark."""


@dataclass(frozen=True)
class Imported:
    """A report that another tool's file became, where it is to be written, and what of the file is
    not used, a sentence each."""

    report: dict[str, Any]
    target: Path
    remarks: tuple[str, ...]

    @property
    def guessed(self) -> str:
        """What timm does not say and the file does; "" for another tool's report."""
        if self.report.get("version") != FROM_TIMM:
            return ""
        machine, date = self.report["machine_info"]["node"], self.report["datetime"][:10]
        return f"machine {machine}, on {date}: of the file's name and date"


def read_all(paths: Sequence[Path], folder: Path) -> list[Imported]:
    """What the files hold; nothing is written. Each is named after its file, and after the folder
    of it too where two files would have one name.

    Raises UserError, which names the file, where one holds nothing or is in `folder` already.
    """
    stems = Counter(path.stem for path in dict.fromkeys(paths))
    found: list[Imported] = []
    for path in dict.fromkeys(paths):
        plain, parent = path.stem, path.absolute().parent.name
        source = {"file": f"{parent}/{path.name}", "sha256": _digest(path)}
        names = [plain, f"{parent}-{plain}"] if stems[plain] == 1 else [f"{parent}-{plain}"]
        free = [name for name in names if not (folder / f"{name}.json").exists()]
        free = [name for name in free if all(each.target.stem != name for each in found)]
        taken = [folder / f"{name}.json" for name in names if name not in free]
        if not free or any(_source(target) == source for target in taken):
            raise UserError(f"{path}: {taken[0]} exists: remove it, or rename the file")
        machine = plain if free[0] == plain else f"{parent}/{plain}"
        report, remarks = as_report(path, machine)
        target = folder / f"{free[0]}.json"
        found.append(Imported({**report, "imported": source}, target, tuple(remarks)))
    return found


def as_report(path: Path, machine: str) -> tuple[dict[str, Any], list[str]]:
    """The report of a file and what of it is not used: pytest-benchmark JSON as it is, or timm's
    benchmark.py in CSV, JSON or as printed.

    timm states neither a machine nor a time of measurement, so `machine` and the file's own time
    are taken. Raises UserError, which names the file, where it is neither or holds no timing.
    """
    text, written = text_of(path, "table of figures"), path.stat().st_mtime
    rows, remarks = parse(text)
    if len(rows) == 1 and isinstance(rows[0], dict) and type(rows[0].get("benchmarks")) is list:
        return rows[0], []
    if not has_times(rows):
        remarks += [] if rows or remarks else ["it has no rows" if text.strip() else "it is empty"]
        told = "".join(f"; {each}" for each in remarks)
        raise UserError(
            f"{path}: neither a pytest-benchmark JSON nor CSV or JSON of timm's "
            f"benchmark.py: no row has `model` and `infer_step_time`{told}"
        )
    found, more = benchmarks(rows)
    remarks += more
    if not found:
        raise UserError(f"{path}: it has no time to import: {'; '.join(remarks)}")
    return {
        "machine_info": {"node": machine}, "commit_info": {},
        "datetime": datetime.fromtimestamp(written, UTC).isoformat(), "version": FROM_TIMM,
        "benchmarks": found,
    }, remarks  # fmt: skip


def write_all(found: Sequence[Imported]) -> None:
    """Raises UserError where one cannot be written."""
    for each in found:
        write(each.target, json.dumps(each.report))


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot read it: {error.strerror}") from error


def _source(target: Path) -> Any:
    try:
        found = json.loads(target.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found.get("imported") if isinstance(found, dict) else None
