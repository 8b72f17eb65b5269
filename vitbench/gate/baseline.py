"""The reports that a report is compared with: accepted ones, or one that the user names."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.gate.accepted import accepted_as, benchmarks_of_model
from vitbench.gate.earlier import (
    Anchor,
    CaseKey,
    models,
)
from vitbench.gate.rename import (
    UNCHANGED,
    Renames,
    hint,
    names_in,
    renamed,
    suggestions,
    unused_renames,
)
from vitbench.report.machine import fingerprint
from vitbench.report.reader import read_report


@dataclass(frozen=True)
class Counts:
    """How many reports a history has for a report. `others`: all files but that of the report.
    `older`: the readable reports that are older. `like`: those of `older` with figures, of the same
    machine and of the weights of one of the models. `oldest`: when the oldest was taken.
    `compared`: when the newest of `older` was taken that has a case of a report before it. Both are
    None where there is no such report."""

    others: int
    older: int
    like: int
    oldest: datetime | None
    compared: datetime | None


@dataclass(frozen=True)
class Baseline:
    """Reports to compare with, newest first, and what they are in words.

    `count`: of each case the newest so many, None for all. `anchors`: what the same case was long
    ago. `problems`: a sentence for each file
    that could not be read. `history`: None where the reports are not from one. Where no report
    was found, `words` says why.
    """

    reports: tuple[dict[str, Any], ...]
    words: str
    problems: tuple[str, ...] = ()
    count: int | None = None
    anchors: Mapping[CaseKey, Anchor] = field(default_factory=dict)
    history: Counts | None = None


def accepted_baseline(
    report: Mapping[str, Any], name: str, folder: Path, renames: Renames = UNCHANGED
) -> Baseline:
    """The accepted baselines of the report's models. Raises UserError where there is none."""
    fingerprint(report, name)
    found = [accepted_as(report, model, folder, renames) for model in models(report)]
    pairs = [each for each in found if each is not None]
    words = hint(_elsewhere(report, folder)) if None in found else ""
    if not pairs:
        raise UserError(
            f"{folder}: no baseline is accepted for this machine and these weights: accept one "
            f"with `vitbench accept REPORT`, or give --baseline=FILE, latest or median:N{words}"
        )
    names = dict.fromkeys(path.name for path, _ in pairs)
    found_reports = tuple(only for _, only in pairs)
    return _without(report, Baseline(found_reports, f"the accepted {', '.join(names)}{words}"))


def _elsewhere(report: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Old and new names of models whose weights are accepted by another name."""
    found = dict[str, str]()
    for path in sorted(folder.glob("*.json")):
        with suppress(UserError):  # What cannot be read does not hint at anything.
            found |= suggestions(report, read_report(path))
    return found


def named_baseline(
    report: Mapping[str, Any], own: Path, path: Path, renames: Renames = UNCHANGED
) -> Baseline:
    """The report of a file as baseline; none where the file is the report itself, `own`."""
    found = read_report(path)
    if path.samefile(own):
        return Baseline((), f"{path}, which is this very report")
    words = f"{path}{unused_renames(renames, {*names_in(found)})}"
    return _without(report, Baseline((renamed(found, renames),), words))


def _without(report: Mapping[str, Any], found: Baseline) -> Baseline:
    """Without the report itself, whose cases would all be SAME."""
    others = tuple(each for each in found.reports if not _is_of(report, each))
    if len(others) == len(found.reports):
        return found
    return replace(found, reports=others, words=f"{found.words}, which is this very report")


def _is_of(report: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    """Whether `base` is the report itself, or a part of it with some of its models. (A plain report
    has no models: it counts as another one.)"""
    if base.get("datetime") != report.get("datetime") or not models(base):
        return False
    return all(
        benchmarks_of_model(base, each) == benchmarks_of_model(report, each)
        for each in models(base)
    )
