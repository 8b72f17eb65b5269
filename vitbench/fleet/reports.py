"""One report for each host of a run of many hosts, made of its receipts."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vitbench.errors import some
from vitbench.fleet.plan import FleetPlan, HostClass, Task
from vitbench.fleet.receipts import Receipt, Receipts
from vitbench.report.conflicts import conflicts
from vitbench.report.files import write
from vitbench.report.merge import merged, read_part
from vitbench.report.plain import dumps


@dataclass(frozen=True)
class HostReport:
    """The report of a host of a class, which `host_class` names by its key, and its file; `wrong`:
    why its receipts are no one report."""

    host: str
    host_class: str
    file: Path
    wrong: tuple[str, ...] = ()


def write_reports(receipts: Receipts, folder: Path) -> list[HostReport]:
    """Write a report for each host that has receipts, `RUN-HOST.json`, where RUN is the name of the
    folder of receipts: a run that is resumed replaces it. Raises UserError where one cannot be
    written."""
    plan, found = receipts.plan(), []
    for known in plan.classes if plan else ():
        mine = [r for task, r in receipts.found.items() if task.host_class == known.key]
        for host in dict.fromkeys(each.host for each in mine):
            file = folder / f"{receipts.folder.name}-{host}.json"
            own = [each for each in mine if each.host == host]
            whole = len(mine) == len(known.cases)
            report, wrong = one_report(own, known, whole)
            if not wrong:
                write(file, dumps(report))
            found.append(HostReport(host, known.key, file, tuple(wrong)))
    return found


def write_class_reports(
    receipts: Receipts, folder: Path, lost: Mapping[Task, str] = MappingProxyType({})
) -> list[HostReport]:
    """Write one report for each class, of the receipts of all its hosts: `RUN.json`, or
    `RUN-CLASS.json` where there are several. What is `lost` has failed. Raises as `write_reports`.
    """
    plan, found = receipts.plan(), []
    for known in plan.classes if plan else ():
        whole = [each for task, each in receipts.found.items() if not task.part]
        mine = [each for each in whole if each.task.host_class == known.key]
        if not mine:
            continue
        name = receipts.folder.name + f"-{known.key[:8]}" * (len(plan.classes if plan else ()) > 1)
        report, wrong = one_report(mine, known, len(mine) == len(known.cases))
        if not wrong:
            why = {task.case: why for task, why in lost.items() if task.host_class == known.key}
            report["vitbench"]["failed"] = {**report["vitbench"]["failed"], **why}
            write(folder / f"{name}.json", dumps(report))
        hosts = ", ".join(sorted({each.host for each in mine}))
        found.append(HostReport(hosts, known.key, folder / f"{name}.json", tuple(wrong)))
    return found


def one_report(
    own: Sequence[Receipt], known: HostClass, whole: bool
) -> tuple[dict[str, Any], list[str]]:
    """One report of receipts of a class, `own`, in the order of the cases; and why they are none.
    `whole`: each case of the class has a receipt, of these or of another host."""
    order = {case: place for place, case in enumerate(known.cases)}
    with tempfile.TemporaryDirectory() as scratch:
        parts = []
        for each in sorted(own, key=lambda each: order.get(each.task.case, len(order))):
            file = Path(scratch, f"{each.task.case.replace('/', '~').replace(':', '+')}.json")
            write(file, dumps(each.report))
            parts.append(read_part(file))
    if wrong := conflicts(parts, newest=False, priced=False):
        return {}, [words.replace(f"{scratch}/", "") for words in wrong]
    report = merged(parts, newest=False, whole=False)
    selected = list(known.selected)
    if len(own) < len(known.cases):
        selected.append(f"vitbench fleet run: {len(own)} of {len(known.cases)} cases of the class")
    report["vitbench"] |= {"complete": whole, "selected": selected}
    return report, []


def report_words(plan: FleetPlan, reports: Sequence[HostReport]) -> list[str]:
    """Why a host has no report, and what makes one of those of a class."""
    told = [
        f"no report of {each.host}: its receipts differ: {some(each.wrong)}"
        for each in reports
        if each.wrong
    ]
    if sum(not each.wrong for each in reports) > len(plan.classes):
        told.append("hosts of one class: `vitbench merge` makes one report of theirs")
    return told
