"""The table of a verification on many hosts: what each case is beside fp32, on each host class."""

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitbench.case import Case
from vitbench.fleet.hosts import distinct
from vitbench.fleet.plan import FleetPlan, Task
from vitbench.fleet.receipts import FAILED, MEASURED, Receipt
from vitbench.report.fields import FIELD
from vitbench.report.reader import Row, rows
from vitbench.show.clean import clean

INCOMPLETE, BROKEN = "INCOMPLETE", "BROKEN"
COLUMNS = ("case", "verdict", "images", "agreement", "at least", "top-1", "top-5", "speed-up")


def verdicts_text(
    plan: FleetPlan, receipts: Mapping[Task, Receipt], lost: Mapping[Task, str]
) -> str:
    """A table for each class; below it, why a case is not KEPT. `lost` are INCOMPLETE."""
    names, told = distinct(plan.classes), list[str]()
    for known in plan.classes:
        tasks = [Task(known.key, case) for case in known.cases]
        told += [f"{names[known.key]}:", *_grid(tasks, receipts, lost), ""]
        told += [f"  {words}" for words in _reasons(tasks, receipts, lost)]
    return clean("\n".join(told).rstrip("\n"))


def verdict(task: Task, receipts: Mapping[Task, Receipt], lost: Mapping[Task, str]) -> str:
    """In a word. What has no receipt is never KEPT."""
    receipt = receipts.get(task)
    if receipt is None:
        return INCOMPLETE if task in lost else ""
    row = _row(receipt)
    if receipt.state == MEASURED and row is not None and row.agreement:
        return row.agreement.state
    broken = receipt.state == FAILED and f": {BROKEN}" in receipt.why
    return BROKEN if broken else receipt.state


def _grid(
    tasks: Sequence[Task], receipts: Mapping[Task, Receipt], lost: Mapping[Task, str]
) -> list[str]:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(COLUMNS):
        grid.add_column(name, justify="left" if index < 2 else "right", no_wrap=True)
    for task in tasks:
        receipt = receipts.get(task)
        row = _row(receipt) if receipt else None
        words = (task.case, verdict(task, receipts, lost), *(_figures(row) if row else ()))
        grid.add_row(*(Text(clean(each)) for each in words))
    out = StringIO()
    Console(
        file=out, width=10_000, color_system=None, force_terminal=False, force_jupyter=False
    ).print(grid)
    return [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]


def _figures(row: Row) -> Iterator[str]:
    found, speedup = row.agreement, FIELD["speedup"].value(row.benchmarks)
    if found is None:
        return
    yield f"{found.images:,}"
    for share in (found.share, found.lower if found.claimed else None, found.top1, found.top5):
        yield "" if share is None else f"{share:.2%}"
    yield "" if speedup is None else f"{FIELD['speedup'].text(speedup)} x"


def _row(receipt: Receipt) -> Row | None:
    wanted = Case.parse(receipt.task.case)
    return next((row for row in rows(receipt.report) if row.case == wanted), None)


def _reasons(
    tasks: Sequence[Task], receipts: Mapping[Task, Receipt], lost: Mapping[Task, str]
) -> Iterator[str]:
    for task in tasks:
        receipt = receipts.get(task)
        row = _row(receipt) if receipt else None
        if row is not None and row.agreement and row.agreement.state != "KEPT":
            yield row.agreement.sentence
        elif receipt is not None and receipt.why:
            yield f"{task}: {receipt.why}"
        elif task in lost:
            yield f"{task}: {lost[task]}"
