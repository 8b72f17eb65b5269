"""Accepted baselines: a file for each class, which is a machine and the weights of one model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.gate.earlier import contents, model_of, models
from vitbench.gate.rename import Renames, renamed
from vitbench.report.decode import text_of
from vitbench.report.fields import TIMED
from vitbench.report.files import write
from vitbench.report.ignored import warning
from vitbench.report.machine import alone, class_of, differing, fingerprint, machine, origin, taken
from vitbench.report.reader import read_report, rows, run_of
from vitbench.report.sound import is_ours, left_out


def accepted_of(
    report: Mapping[str, Any], model: str, folder: Path
) -> tuple[Path, dict[str, Any]] | None:
    """The file accepted for a model of the report and what it says of that model, or None.

    Raises UserError where a file that may be it cannot be read.
    """
    path = folder / f"{class_of(machine(report), model)}.json"
    if path.exists():
        return path, only(read_report(path), model)
    for other in sorted(folder.glob("*.json")):  # of an older vitbench: several models in one file
        found = read_report(other)
        if model in models(found) and not differing(report, found, model):
            return other, only(found, model)
    return None


def accepted_as(
    report: Mapping[str, Any], model: str, folder: Path, renames: Renames
) -> tuple[Path, dict[str, Any]] | None:
    """What is accepted for a model, by its name or else by its former name; renamed."""
    back = {new: old for old, new in renames.items()}
    found = accepted_of(report, model, folder)
    if found is None and model in back:
        found = accepted_of(renamed(report, {model: back[model]}), back[model], folder)
    return found and (found[0], renamed(found[1], renames))


def only(report: Mapping[str, Any], model: str) -> dict[str, Any]:
    """What a report says of one model, as a report."""
    if models(report) == [model]:
        return dict(report)
    run, found = dict(report.get("vitbench", {})), dict(report.get("machine_info", {}))
    for name in ("unavailable", "failed"):
        run[name] = {case: why for case, why in run[name].items() if model_of(case) == model}
    run["models"] = {name: each for name, each in run["models"].items() if name == model}
    found["vitbench"] = alone(machine(report), model)
    benchmarks = benchmarks_of_model(report, model)
    return {**report, "machine_info": found, "vitbench": run, "benchmarks": benchmarks}


def benchmarks_of_model(report: Mapping[str, Any], model: str) -> list[dict[str, Any]]:
    """The benchmarks of one model."""
    ours = [each for each in report["benchmarks"] if is_ours(each)]
    return [each for each in ours if model_of(each["extra_info"]["case"]["id"]) == model]


def accept(path: Path, folder: Path, selected: bool = False) -> str:
    """Make the report the baseline of each of its models; says what that replaces, and whether git
    ignores what was written.

    `selected`: also a report that somebody chose the cases of. Raises UserError for one without
    that, for a report that is damaged, incomplete, without timings or with a failed case, and where
    it cannot be written.
    """
    report = read_report(path)
    fingerprint(report, str(path))
    _check(path, report)
    timed = {model_of(case) for case, group in contents(report).keys if group in TIMED}
    targets = {model: folder / f"{class_of(machine(report), model)}.json" for model in timed}
    if not selected:
        _check_whole(path, report, targets)
    told = []
    for model in filter(targets.get, models(report)):
        target = targets[model]
        try:
            before = accepted_of(report, model, folder)
            replaced = f", replacing {origin(before[1])}" if before else ""
            if before and before[0] != target:
                replaced += f" in {before[0].name}, which is no longer used for this model"
        except UserError:
            replaced = ", replacing a damaged file" if target.exists() else ""
        whole = models(report) == [model]
        text = text_of(path) if whole else json.dumps(only(report, model))
        write(target, text)
        told.append(f"{target} is now {origin(report)}{replaced}")
    told += filter(None, [warning([*targets.values()])])
    return "\n".join(told)


def _check(path: Path, report: Mapping[str, Any]) -> None:
    run = run_of(report)
    failed = run.failed if run else {}
    taken(report, f"{path}: not accepted as a baseline")
    broken = [r.case.id for r in rows(report) if r.timed and r.timed.agreement.state == "BROKEN"]
    for wrong, why in (
        (not (run and run.complete), "the report is incomplete: its run was cut short"),
        (left_out(report), "; ".join(f"{x.label}: {x.why}" for x in left_out(report))),
        (not any(row.timed for row in rows(report)), "the report has no timed case"),
        (
            failed or broken,
            f"these cases failed: {', '.join([*failed, *broken])}",
        ),
    ):
        if wrong:
            raise UserError(f"{path}: not accepted as a baseline: {why}")


def _check_whole(path: Path, report: Mapping[str, Any], targets: Mapping[str, Path]) -> None:
    """Refuses a report of selected cases. Where the report does not say, refuses it if it has fewer
    cases than the baseline that it would replace."""
    ours, hint = contents(report), "give --selected to accept it anyway"
    if ours.selected:
        raise UserError(
            f"{path}: not accepted as a baseline: it has only the cases that "
            f"`{' '.join(ours.selected)}` selected; {hint}"
        )
    if ours.selected is None:
        known = {*ours.keys}
        for model, target in targets.items():
            try:
                before = contents(read_report(target)).keys if target.exists() else ()
            except UserError:
                continue
            lost = [
                case
                for case, group in before
                if group in TIMED and model_of(case) == model and (case, group) not in known
            ]
            if lost:
                raise UserError(
                    f"{path}: not accepted as a baseline: it does not say whether its cases were "
                    f"selected, and {target} has {len(lost)} more ({lost[0]}); {hint}"
                )
