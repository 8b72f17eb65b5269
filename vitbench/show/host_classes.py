"""Reports of several machines as one table: columns for each class of machine."""

from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.judge.best import Choice, choose
from vitbench.judge.host_classes import ClassReports
from vitbench.report.fields import FIELD
from vitbench.report.machine import origin
from vitbench.report.reader import Row, run_of
from vitbench.report.sound import left_out
from vitbench.show.clean import clean

FIGURES = ("median", "speedup", "server_rate", "images_per_unit")
"""Of each class of machine, where a report has some."""


def classes_text(classes: Sequence[ClassReports], least: float) -> str:
    """The classes and their reports, a table of each model and batch, and the fastest variant of
    each class that agrees on `least` of the images."""
    lines = [line for name, each in _named(classes) for line in _about(name, each)]
    shown = [
        name
        for name in FIGURES
        if any(
            FIELD[name].value(row.benchmarks) is not None
            for x in classes
            for row in x.rows.values()
        )
    ]
    cases = dict.fromkeys(case for each in classes for case in [*each.rows, *each.ended])
    groups: dict[tuple[str, int], list[str]] = {}
    for case in map(Case.parse, cases):
        groups.setdefault((case.model, case.batch), []).append(case.id)
    for (model, batch), ids in groups.items():
        lines += ["", f"{model}, batch {batch}", *_grid(classes, shown, ids)]
        lines += _best(classes, model, batch, least)
    lines += [
        "",
        "ms: of machines apart, so in no pairs; speed-up: over the reference of the same run",
    ]
    for name, each in _named(classes):
        for named in each.reports:
            lines += [f"left out of {name}: {x.label}: {x.why}" for x in left_out(named.report)]
    return clean("\n".join(lines))


def _named(classes: Sequence[ClassReports]) -> Iterator[tuple[str, ClassReports]]:
    for index, each in enumerate(classes):
        yield ascii_uppercase[index % 26] + str(index // 26 or ""), each


def _about(name: str, each: ClassReports) -> Iterator[str]:
    yield f"{name}: {each.machine}"
    for named in each.reports:
        run = run_of(named.report)
        price = run.price if run else None
        words = f"   {named.name}: {origin(named.report)}"
        words += f"; {price.name} costs {price.per_hour:g} an hour" if price else ""
        yield words + ("" if run is None or run.complete else "; INCOMPLETE")


def _grid(classes: Sequence[ClassReports], shown: Sequence[str], ids: Sequence[str]) -> list[str]:
    heads = ["case"]
    for name, _ in _named(classes):
        labels = [FIELD[each].heading if each != "median" else "ms" for each in shown]
        first, *others = [*labels, "limits"]
        heads += [f"{name} {first}", *others]
    grid = [heads, *([case.partition("/")[2], *_cells(classes, shown, case)] for case in ids)]
    kept = [0, *(i for i in range(1, len(heads)) if any(row[i] for row in grid[1:]))]
    widths = [max(len(row[i]) for row in grid) for i in range(len(heads))]
    return [
        "  ".join(
            row[i].rjust(widths[i]) if i else row[i].ljust(widths[i]) for i in kept
        ).rstrip()
        for row in grid
    ]  # fmt: skip


def _cells(classes: Sequence[ClassReports], shown: Sequence[str], case: str) -> Iterator[str]:
    for each in classes:
        row = each.rows.get(case)
        for name in shown:
            yield _cell(row, name) if row else ""
        agreement = row.agreement if row else None
        yield agreement.state if agreement else each.ended.get(case, "")


def _cell(row: Row, name: str) -> str:
    if name == "speedup" and row.timed and row.timed.reference.null_arm:
        return "reference"
    value = FIELD[name].value(row.benchmarks)
    if value is None:
        return ""
    return FIELD[name].text(value) + ("x" if name == "speedup" else "")


def _best(classes: Sequence[ClassReports], model: str, batch: int, least: float) -> Iterator[str]:
    for name, each in _named(classes):
        choice = _choice(each, model, batch, least)
        if choice:
            best = choice.best.partition("/")[2] if choice.best else "none"
            yield f"best of {name}: {best}: {choice.sentence}"


def _choice(each: ClassReports, model: str, batch: int, least: float) -> Choice | None:
    named = each.holding(model, batch)
    try:
        found = choose(named.report, "latency", least) if named else []
    except UserError:  # it was not timed in pairs
        return None
    return next((x for x in found if (x.model, x.batch) == (model, batch)), None)
