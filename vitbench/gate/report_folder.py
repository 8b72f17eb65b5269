"""The reports of a history folder, dated; a report is read in full only where it is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.gate.accepted import accepted_as
from vitbench.gate.earlier import Anchor, CaseKey, Contents, contents
from vitbench.gate.rename import Renames, names_in, renamed
from vitbench.report.decode import decoded
from vitbench.report.machine import taken
from vitbench.report.newest import report_files
from vitbench.report.order import out_of_order, timestamp
from vitbench.report.reader import read_report, rows
from vitbench.report.row import TimedRow

ANCHOR_REPORTS = 10
"""The anchor is the median of so many reports, the oldest ones."""
LEAST_ANCHOR_REPORTS = 3
"""With fewer reports an anchor shows no more than the newest reports."""


@dataclass(frozen=True)
class DatedReport:
    """A file of the history, before its shape is checked. `committed`: when its commit was made,
    seconds since 1970. `stub`: the parts of the report that differing() reads."""

    when: datetime
    file: Path
    committed: float | None
    holds: Contents
    stub: Mapping[str, Any]


class ReportFolder:
    """The reports of a folder, dated; a report is read in full only where it is chosen.

    `names`: all names in the reports that can be renamed, where the user renames any.
    """

    def __init__(self, path: Path, folder: Path, renames: Renames) -> None:
        self.problems: list[str] = []
        self.names: set[str] = set()
        self._renames = renames
        self._read: dict[Path, dict[str, Any] | None] = {}
        self._held: dict[Path, Contents] = {}
        try:
            files = report_files(folder)
        except UserError as error:
            raise UserError(f"--history={error}") from error
        self.files = self.others = len(files)
        found = []
        for file in files:
            try:
                # Only chosen reports are read in full: a history may have thousands.
                other = decoded(file)
                if not isinstance(other.get("benchmarks"), list):
                    raise UserError(f"{file}: not a report: it has no list 'benchmarks'")
                if renames:
                    self.names |= {*names_in(other)}
                    other = renamed(other, renames)
                if file.samefile(path):
                    self.others -= 1
                else:
                    stub: dict[str, Any] = {
                        "machine_info": other.get("machine_info"),
                        "benchmarks": [],
                    }
                    when, made = taken(other, str(file)), _committed(other)
                    found.append(DatedReport(when, file, made, contents(other), stub))
            except UserError as error:
                self.problems.append(str(error))
            except (AttributeError, LookupError, TypeError) as error:
                self.problems.append(f"{file}: damaged, or not a report: {error}")
        self.newest_first = sorted(found, key=lambda each: (each.when, each.file), reverse=True)

    def report(self, filed: DatedReport) -> dict[str, Any] | None:
        """The report, once; None where it has not the shape of one."""
        if filed.file not in self._read:
            try:
                report = renamed(read_report(filed.file), self._renames)
                self._read[filed.file], self._held[filed.file] = report, contents(report)
            except UserError as error:
                self._read[filed.file] = None
                self.problems.append(str(error))
        return self._read[filed.file]

    def having(self, key: CaseKey, files: Sequence[DatedReport], count: int) -> list[DatedReport]:
        """The first `count` of `files` whose figures of a case can be used."""
        found: list[DatedReport] = []
        for filed in files:
            if len(found) == count:
                break
            if (
                filed.holds.usable(key)
                and self.report(filed)
                and self._held[filed.file].usable(key)
            ):
                found.append(filed)
        return found

    def accepted(
        self, report: Mapping[str, Any], model: str, folder: Path | None
    ) -> dict[str, Any] | None:
        """What is accepted for a model, if it is older than the report."""
        try:
            found = accepted_as(report, model, folder, self._renames) if folder else None
            if found and taken(found[1], str(found[0])) < taken(report, "the report"):
                return found[1]
        except UserError as error:
            self.problems.append(str(error))
        return None

    def anchor(
        self,
        key: CaseKey,
        fit: Sequence[DatedReport],
        newest: Sequence[DatedReport],
        accepted: Mapping[str, Any] | None,
    ) -> Anchor | None:
        """The anchor of a case; None where there is no accepted one and too few reports before
        the `newest`. `fit`: the comparable ones, newest first."""
        if accepted is not None and contents(accepted).usable(key):
            return Anchor(
                (_timed_row(accepted, key),),
                f"the accepted report of {str(accepted['datetime'])[:10]}",
            )
        since = taken(accepted, "the accepted report") if accepted is not None else None
        recent = {each.file for each in newest}
        before = [each for each in reversed(fit) if each.file not in recent]
        older = [each for each in before if since is None or each.when > since]
        found = self.having(key, older, ANCHOR_REPORTS)
        if len(found) < LEAST_ANCHOR_REPORTS:
            return None
        reports = [report for each in found if (report := self.report(each)) is not None]
        words = f"the first {len(found)} reports, since {found[0].when:%Y-%m-%d}"
        return Anchor(tuple(_timed_row(each, key) for each in reports), words)


def in_order(files: Sequence[DatedReport]) -> list[DatedReport]:
    """Of files, newest first, those that are not of a commit older than one measured before."""
    times = [(each.committed, each.when.timestamp()) for each in reversed(files)]
    late = out_of_order([made for made, _ in times], [when for _, when in times])
    return [each for each, older in zip(files, reversed(late), strict=True) if not older]


def _committed(report: Mapping[str, Any]) -> float | None:
    commit = report.get("commit_info")
    return timestamp(commit.get("time")) if isinstance(commit, dict) else None


def _timed_row(report: Mapping[str, Any], key: CaseKey) -> TimedRow:
    """Of a report that was read, so that what cannot be judged is not in it any more."""
    found = (row.typed[key[1]] for row in rows(report) if row.case.id == key[0])
    return next(each for each in found if isinstance(each, TimedRow))
