"""The table of a run of many hosts: a row for each case, a column for each host class."""

from collections.abc import Iterator, Mapping
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitbench.case import Case
from vitbench.fleet.hosts import distinct
from vitbench.fleet.plan import FleetPlan, Task
from vitbench.fleet.receipts import MEASURED, Receipt
from vitbench.report.fields import FIELD
from vitbench.report.reader import Row, rows
from vitbench.show.clean import clean

NONE = "-"
"""The options choose other cases on hosts of that class."""
LOST = "LOST"


def fleet_table(
    plan: FleetPlan, receipts: Mapping[Task, Receipt], lost: Mapping[Task, str], width: int | None
) -> str:
    """Median and speed-up of each case on each class; then what failed, is unavailable or is lost,
    and why. Each case was timed in pairs on its own host; between two columns nothing is paired."""
    names = distinct(plan.classes)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("case", no_wrap=True)
    for each in plan.classes:
        grid.add_column(_text(names[each.key]), justify="right")
    cases = dict.fromkeys(case for each in plan.classes for case in each.cases)
    for case in cases:
        cells = [
            _cell(Task(each.key, case), receipts, lost) if case in each.cases else NONE
            for each in plan.classes
        ]
        grid.add_row(_text(case), *map(_text, cells))
    out = StringIO()
    Console(
        file=out, width=width or 10_000, color_system=None, force_terminal=False,
        force_jupyter=False,
    ).print(grid)  # fmt: skip
    lines = [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
    for heading, told in (
        ("Failed:", _reasons("failed", receipts, names)),
        ("Unavailable:", _reasons("unavailable", receipts, names)),
        ("Lost:", (f"{task} on {names[task.host_class]}: {why}" for task, why in lost.items())),
    ):
        found = list(told)
        lines += ["", heading, *(f"  {each}" for each in found)] if found else []
    return clean("\n".join(lines))


def _cell(task: Task, receipts: Mapping[Task, Receipt], lost: Mapping[Task, str]) -> str:
    if task in lost:
        return LOST
    receipt = receipts.get(task)
    if receipt is None:
        return ""
    found = _row(receipt)
    if receipt.state != MEASURED or found is None:
        return receipt.state
    figures = {name: FIELD[name].value(found.benchmarks) for name in ("median", "speedup")}
    words = [
        f"{FIELD[name].text(value)} {FIELD[name].unit}".strip()
        for name, value in figures.items()
        if value is not None
    ]
    null_arm = found.timed is not None and found.timed.reference.null_arm
    return ", ".join([*words[:1], "reference"] if null_arm else words) or receipt.state


def _row(receipt: Receipt) -> Row | None:
    wanted = Case.parse(receipt.task.case)
    return next((row for row in rows(receipt.report) if row.case == wanted), None)


def _reasons(
    state: str, receipts: Mapping[Task, Receipt], names: Mapping[str, str]
) -> Iterator[str]:
    for task, receipt in receipts.items():
        if receipt.state == state and task.host_class in names:
            yield f"{task} on {names[task.host_class]} ({receipt.host}): {receipt.why}"


def _text(words: str) -> Text:
    return Text(clean(words))
