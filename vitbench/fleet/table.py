"""What a run of many hosts prints at its end: the table of `vitbench show`, and what is missing."""

from collections.abc import Iterator, Mapping, Sequence

from vitbench.fleet.hosts import distinct
from vitbench.fleet.plan import FleetPlan, HostClass, Task
from vitbench.fleet.receipts import FAILED, UNAVAILABLE, Receipt
from vitbench.fleet.reports import HostReport, one_report
from vitbench.judge.candidates import LEAST_AGREEMENT
from vitbench.judge.host_classes import ClassReports
from vitbench.judge.machines import Named
from vitbench.report.reader import read_report
from vitbench.show.clean import clean
from vitbench.show.host_classes import classes_text

LOST = "LOST"


def fleet_text(
    plan: FleetPlan,
    receipts: Mapping[Task, Receipt],
    lost: Mapping[Task, str],
    reports: Sequence[HostReport],
) -> str:
    """The reports and the table, with columns for each class; then what failed, is unavailable or
    is lost, and why."""
    names = distinct(plan.classes)
    classes = [_class(each, names[each.key], receipts, lost, reports) for each in plan.classes]
    lines = [classes_text(classes, LEAST_AGREEMENT)]
    for heading, told in (
        ("Failed:", _reasons(FAILED, receipts, names)),
        ("Unavailable:", _reasons(UNAVAILABLE, receipts, names)),
        ("Lost:", (f"{task} on {names[task.host_class]}: {why}" for task, why in lost.items())),
    ):
        found = list(told)
        lines += ["", heading, *(f"  {each}" for each in found)] if found else []
    return clean("\n".join(lines))


def _class(
    known: HostClass,
    name: str,
    receipts: Mapping[Task, Receipt],
    lost: Mapping[Task, str],
    reports: Sequence[HostReport],
) -> ClassReports:
    """The reports of its hosts, as one report where they can be one."""
    mine = [each for task, each in receipts.items() if task.host_class == known.key]
    files = [each.file for each in reports if each.host_class == known.key and not each.wrong]
    found = [Named(str(file), read_report(file)) for file in files]
    if len(files) > 1:
        report, wrong = one_report(mine, known, whole=len(mine) == len(known.cases))
        found = found if wrong else [Named(", ".join(map(str, files)), report)]
    states = {each.task.case: each.state for each in mine}
    states |= {task.case: LOST for task in lost if task.host_class == known.key}
    return ClassReports(name, tuple(found), states)


def _reasons(
    state: str, receipts: Mapping[Task, Receipt], names: Mapping[str, str]
) -> Iterator[str]:
    for task, receipt in receipts.items():
        if receipt.state == state and task.host_class in names:
            yield f"{task} on {names[task.host_class]} ({receipt.host}): {receipt.why}"
