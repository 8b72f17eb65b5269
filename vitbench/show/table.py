"""The table of a report, as plain text for a terminal."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vitbench.case import Case
from vitbench.report.fields import FIELD
from vitbench.report.reader import Row, rows, run_of
from vitbench.report.schema import RunInfo
from vitbench.report.sound import left_out
from vitbench.show.columns import GAP, Column, column_width, columns, fitting
from vitbench.show.foundations import rests_on
from vitbench.show.load import by_rate, load_columns, load_lines
from vitbench.show.photo import from_the_photograph

EMPTY = "This report holds no vitbench benchmarks."
INDENT = 2
NO_LIMIT = 100_000
SHOWN_OPERATORS = 6


def table(report: Mapping[str, Any], width: int | None) -> str:
    """The cases of a report by model and batch, then what did not run, and what it rests on.

    `width` in characters; columns that do not fit are left out and named. None sets no limit.
    Text of the report is shown as it is: neither markup nor control characters take effect.
    """
    run, found = run_of(report), rows(report)
    unsound = [f"{each.label}: {each.why}" for each in left_out(report) if each.group]
    ended = {**run.unavailable, **run.failed} if run else {}
    if not found and not unsound and not ended:
        return EMPTY
    timed = [row for row in found if set(row.benchmarks) - {"load"}]
    loaded = [row for row in found if row.loaded]
    shown, hidden = fitting(columns(run.models if run else {}), timed, width)
    under_load, more = fitting(load_columns(), loaded, width)
    hidden += [name for name in more if name not in hidden]
    needed = max(
        sum(column_width(column, those) + GAP for column in grid)
        for grid, those in ((shown, timed), (under_load, loaded))
    )
    out = StringIO()
    console = Console(
        file=out, width=max(width or NO_LIMIT, needed, 40), color_system=None,
        force_terminal=False, force_jupyter=False,
    )  # fmt: skip
    if run and not run.complete:
        _say(console, "INCOMPLETE: the run was cut short, or still goes on. What it had finished:")
    for (model, batch), group in _groups(timed, run.reference if run else None).items():
        console.print()
        _say(console, f"{model}, batch {batch}")
        console.print(_grid(shown, group, timed))
    for model, group in by_rate(loaded).items():
        console.print()
        _say(console, f"{model}, under load")
        console.print(_grid(under_load, group, loaded))
    for heading, told in (
        ("Unavailable:", _unavailable(run) if run else []),
        ("Failed:", [f"{name}: {why}" for name, why in run.failed.items()] if run else []),
        ("Left out:", unsound),
        ("Where the time goes (by each runtime's profiler, which slows it):", _operators(found)),
        ("From the photograph to the answer:", from_the_photograph(found)),
        ("Under load:", load_lines(found)),
        (
            "Rests on:",
            rests_on(found, run),
        ),
        ("Columns that do not fit:", [", ".join(hidden)] if hidden else []),
    ):
        lines = list(told)
        if lines:
            console.print()
            _say(console, heading)
        for line in lines:
            _say(console, line, INDENT)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").split("\n"))


def _text(words: str) -> Text:
    return Text("".join(char if char.isprintable() else " " for char in words))


def _say(console: Console, words: str, indent: int = 0) -> None:
    """A line; where it wraps it is indented further."""
    head, *rest = _text(words).wrap(console, console.width - indent - INDENT)
    console.print(Padding(head, (0, 0, 0, indent), expand=False))
    for line in rest:
        console.print(Padding(line, (0, 0, 0, indent + INDENT), expand=False))


def _groups(found: Sequence[Row], reference: str | None) -> dict[tuple[str, int], list[Row]]:
    """Rows by model and batch, models as they appeared; reference first, then the fastest."""
    models = list(dict.fromkeys(row.case.model for row in found))

    def place(row: Row) -> tuple[Any, ...]:
        median = FIELD["median"].value(row.benchmarks)
        return (
            models.index(row.case.model), row.case.batch, row.case.variant != reference,
            median is None, median or 0.0,
        )  # fmt: skip

    groups = defaultdict(list)
    for row in sorted(found, key=place):
        groups[row.case.model, row.case.batch].append(row)
    return groups


def _grid(shown: Sequence[Column], group: Sequence[Row], found: Sequence[Row]) -> Table:
    """One group, with columns as wide as in all groups."""
    grid = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for column in shown:
        grid.add_column(
            _text(column.label), justify="left" if column.words else "right", no_wrap=True,
            width=column_width(column, found),
        )  # fmt: skip
    for row in group:
        grid.add_row(*(_text(column.cell(row)) for column in shown))
    return grid


def _unavailable(run: RunInfo) -> list[str]:
    """A line for each reason, with the variants that have it, whatever the batches."""
    where: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for name, reason in run.unavailable.items():
        case = Case.parse(name)
        where[case.variant, reason.removeprefix(f"{case.variant} is ")].append(case)
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (variant, reason), cases in where.items():
        devices = ", ".join(sorted({case.device for case in cases}))
        models = ", ".join(dict.fromkeys(case.model for case in cases))
        of = f" ({models})" if len(run.models) > 1 else ""
        alike[f"on {devices}{of}", reason].append(variant)
    return [f"{', '.join(names)} {place}: {reason}" for (place, reason), names in alike.items()]


def _operators(found: Sequence[Row]) -> Iterator[str]:
    """The slowest operators of each case that was profiled, as shares of those recorded."""
    for row in found:
        operators = row.timed.operators if row.timed else []
        whole = sum(each.seconds for each in operators)
        if whole > 0:
            parts = [
                f"{each.seconds / whole:.0%} {each.name} ({each.calls:.0f}x)"
                for each in operators[:SHOWN_OPERATORS]
            ]
            yield f"{row.case.id}: {whole * 1e3:.1f} ms: {', '.join(parts)}"
