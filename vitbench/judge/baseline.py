"""The report to hold another one against: accepted, named, or found in the history."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.judge.files import write
from vitbench.judge.machine import fingerprint, machine, origin, taken
from vitbench.judge.report import read_report, rows
from vitbench.judge.sound import left_out
from vitbench.judge.text import text_of


@dataclass(frozen=True)
class Baseline:
    """Reports to compare with, newest first, and what they are in words.

    `problems`: a sentence for each file of the history that could not be read. Where no report
    was found, `words` says why.
    """

    reports: tuple[dict[str, Any], ...]
    words: str
    problems: tuple[str, ...] = ()


def accepted(report: Mapping[str, Any], name: str, folder: Path) -> Baseline:
    """The accepted baseline of the report's class. Raises UserError where there is none."""
    path = folder / f"{fingerprint(report, name)}.json"
    if not path.exists():
        raise UserError(
            f"{path}: no baseline is accepted for this machine and these weights: accept one with "
            "`vitbench accept REPORT`, or give --baseline=FILE, latest or median:N"
        )
    return Baseline((read_report(path),), f"the accepted {path.name}")


def from_history(report: Mapping[str, Any], path: Path, folder: Path, count: int) -> Baseline:
    """The newest `count` complete reports with times, of the same class and older than the report.

    A file that cannot be read is named among the problems, and the others still count. Raises
    UserError where the folder cannot be listed.
    """
    ours, before = fingerprint(report, str(path)), taken(report, str(path))
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".json")
    except OSError as error:
        raise UserError(f"--history={folder}: cannot list it: {error.strerror}") from error
    problems: list[str] = []
    dated: list[tuple[datetime, Path]] = []
    for file in files:
        try:
            # Shape is judged only of those that are chosen: a history may hold years.
            other = json.loads(file.read_bytes())
            if not file.samefile(path) and machine(other).get("fingerprint") == ours:
                dated.append((taken(other, str(file)), file))
        except (OSError, ValueError, RecursionError, AttributeError) as error:
            problems.append(f"{file}: damaged, or not a report: {error}")
        except UserError as error:
            problems.append(str(error))
    found: list[dict[str, Any]] = []
    for when, file in sorted(dated, reverse=True):
        try:
            other = read_report(file) if len(found) < count and when < before else {}
        except UserError as error:
            problems.append(str(error))
            continue
        # A duet's report has no times that could be compared with another run's.
        if other.get("vitbench", {}).get("complete") and any(row.timed for row in rows(other)):
            found.append(other)
    words = (
        f"{folder} has {len(files)} reports, {len(dated)} others of this machine and these "
        f"weights, and {len(found)} of them complete, older and with times"
    )
    if found:
        words = f"the newest of {folder}" if count == 1 else f"the median of {len(found)} reports"
    return Baseline(tuple(found), words, tuple(problems))


def accept(path: Path, folder: Path) -> str:
    """Make the report the baseline of its class, in one step; says what that replaces.

    Raises UserError for a report that is damaged, incomplete, without timings or with a failed
    case, and where it cannot be written.
    """
    report = read_report(path)
    run, name = report.get("vitbench", {}), fingerprint(report, str(path))
    broken = [
        r.case.id for r in rows(report) if r.timed and r.timed["agreement"]["state"] == "BROKEN"
    ]
    for wrong, why in (
        (not run.get("complete"), "it is incomplete, its run was cut short"),
        (left_out(report), "; ".join(f"{x.label}: {x.why}" for x in left_out(report))),
        (not any(row.timed for row in rows(report)), "it holds no timed case"),
        (
            run.get("failed") or broken,
            f"failed in it: {', '.join([*run.get('failed', {}), *broken])}",
        ),
    ):
        if wrong:
            raise UserError(f"{path}: not accepted as a baseline: {why}")
    target = folder / f"{name}.json"
    try:
        replaced = f", replacing {origin(read_report(target))}" if target.exists() else ""
    except UserError:
        replaced = ", replacing a damaged one"
    write(target, text_of(path))
    return f"{target} is now {origin(report)}{replaced}"
