"""The earlier reports of a history folder with which a report is compared."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from vitbench.errors import counted
from vitbench.gate.baseline import Baseline, Counts
from vitbench.gate.earlier import Anchor, CaseKey, asking, contents, model_of, models, of_model
from vitbench.gate.rename import (
    UNCHANGED,
    Renames,
    hint,
    suggestions,
    unused_renames,
)
from vitbench.gate.report_folder import DatedReport, ReportFolder, in_order
from vitbench.report.fields import TIMED
from vitbench.report.machine import class_of, differing, fingerprint, machine, taken


def from_history(
    report: Mapping[str, Any],
    path: Path,
    folder: Path,
    count: int,
    renames: Renames = UNCHANGED,
    baselines: Path | None = None,
) -> Baseline:
    """Of each case the newest `count` reports that have it: older than `report`, and of its machine
    and weights. What asks for a case that `report` lacks is among them.

    A report of a commit older than one measured before it is not among them. Beside them an anchor,
    which does not move with time: the report accepted in `baselines`, or else the first
    reports after the accepted one, as far as they are not the newest.

    A file that cannot be read is named among the problems, and the others still count. Raises
    UserError where the folder cannot be listed.
    """
    fingerprint(report, str(path))
    before, ours = taken(report, str(path)), contents(report)
    history = ReportFolder(path, folder, renames)
    older = [each for each in history.newest_first if each.when < before]
    chosen: dict[Path, DatedReport] = {}
    like: set[Path] = set()
    late: set[Path] = set()
    apart: list[str] = []
    anchors: dict[CaseKey, Anchor] = {}
    most = 0
    hints: dict[str, str] = {}
    for model in models(report):
        mine = of_model(ours, model)
        alike = [each for each in older if not differing(report, each.stub, model)]
        apart += [] if alike or not older else differing(report, older[0].stub, model)
        fit = in_order(alike)
        late |= {each.file for each in alike} - {each.file for each in fit}
        hints |= {} if fit else _by_other_names(report, model, older)
        held = [of_model(each.holds, model) for each in fit]
        measured = (*TIMED, "footprint")
        like |= {
            filed.file
            for filed, what in zip(fit, held, strict=True)
            if any(group in measured for _, group in what.keys)
        }
        accepted = history.accepted(report, model, baselines)
        for key in mine.keys:
            found = history.having(key, fit, count)
            if key[1] in TIMED and (anchor := history.anchor(key, fit, found, accepted)):
                anchors[key] = anchor
            most = max(most, len(found) if key[1] in TIMED else 0)
            chosen |= {each.file: each for each in found}
        chosen |= {each.file: each for each in (fit[i] for i in asking(mine, held))}
    order = sorted(chosen.values(), key=lambda each: (each.when, each.file), reverse=True)
    found_reports = [each for each in map(history.report, order) if each is not None]
    words = (
        f"{folder} has {counted(history.files, 'report')}, {len(older)} of them older than this "
        f"report, and {len(like)} of those of this machine and these weights"
    )
    if not history.others:
        words = f"{folder} has no other report"
    words += (
        f"; the newest older report differs: {'; '.join(dict.fromkeys(apart))}" if apart else ""
    )
    if most:
        words = (
            f"the newest of {folder}" if count == 1 else f"the median of {counted(most, 'report')}"
        )
        words += f", {counted(len(late), 'report')} of older commits left out" if late else ""
    words += hint(hints) + unused_renames(renames, history.names)
    counts = Counts(
        history.others,
        len(older),
        len(like),
        older[-1].when if older else None,
        _compared(older),
    )
    problems = tuple(history.problems)
    return Baseline(tuple(found_reports), words, problems, count, anchors, counts)


def _by_other_names(
    report: Mapping[str, Any], model: str, older: Sequence[DatedReport]
) -> dict[str, str]:
    """Old and new name of a model whose weights older reports of its machine have by another."""
    here = [
        each
        for each in older
        if set(differing(report, each.stub, model)) <= {f"weights of {model}"}
    ]
    found = [suggestions(report, each.stub).items() for each in here]
    return {old: new for pairs in found for old, new in pairs if new == model}


def _compared(older: Sequence[DatedReport]) -> datetime | None:
    """The newest of the reports, newest first, that has a case which one before it had too."""
    seen: set[tuple[str, CaseKey]] = set()
    newest = None
    for each in reversed(older):
        timed = [key for key in each.holds.keys if key[1] in TIMED]
        kinds = {m: class_of(machine(each.stub), m) for m in {model_of(case) for case, _ in timed}}
        keys = {(kinds[model_of(key[0])], key) for key in timed}
        if keys & seen:
            newest = each.when
        seen |= keys
    return newest
