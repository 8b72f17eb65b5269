"""One report for each host of a run of many hosts, made of its receipts."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import some
from vitbench.fleet.plan import FleetPlan, HostClass
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
