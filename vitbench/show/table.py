"""The table of a report, as plain text for a terminal."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from msgspec import UNSET
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vitbench.case import Case
from vitbench.report.fields import FIELD
from vitbench.report.reader import Row, rows, run_of
from vitbench.report.row import Ratio, TimedRow
from vitbench.report.schema import RunInfo
from vitbench.report.sound import left_out
from vitbench.show.columns import GAP, Column, column_width, columns, fitting

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
    shown, hidden = fitting(columns(run.models if run else {}), found, width)
    needed = sum(column_width(column, found) + GAP for column in shown)
    out = StringIO()
    console = Console(
        file=out, width=max(width or NO_LIMIT, needed, 40), color_system=None,
        force_terminal=False, force_jupyter=False,
    )  # fmt: skip
    if run and not run.complete:
        _say(console, "INCOMPLETE: the run was cut short, or still goes on. What it had finished:")
    for (model, batch), group in _groups(found, run.reference if run else None).items():
        console.print()
        _say(console, f"{model}, batch {batch}")
        console.print(_grid(shown, group, found))
    for heading, told in (
        ("Unavailable:", _unavailable(run) if run else []),
        ("Failed:", [f"{name}: {why}" for name, why in run.failed.items()] if run else []),
        ("Left out:", unsound),
        ("Where the time goes (by each runtime's profiler, which slows it):", _operators(found)),
        (
            "Rests on:",
            [
                *_null_arms(found),
                *_throttled(found),
                *(_foundations(run) if run else ()),
                *_of_the_user(found),
                *_partly_quantized(found),
            ],
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


def partly_quantized(
    quantized_layers: int = 0, float_layers: int = 0, float_by_option: int = 0
) -> str | None:
    """How many linear layers of an artifact stay in float, and why; None where none does."""
    if not float_layers:
        return None
    reasons = []
    if float_by_option:
        reasons.append(f"the option float_layers leaves {float_by_option} in float")
    if others := float_layers - float_by_option:
        reasons.append(
            f"the model reads the weights of the other{'s' if others > 1 else ''} itself, or "
            "changes what they do"
        )
    whole = quantized_layers + float_layers
    return f"{quantized_layers} of {whole} linear layers are int8; {', and '.join(reasons)}"


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
        words = column.name in ("case", "agreement", "weights")
        grid.add_column(
            _text(column.label), justify="left" if words else "right", no_wrap=True,
            width=column_width(column, found),
        )  # fmt: skip
    for row in group:
        grid.add_row(*(_text(column.cell(row)) for column in shown))
    return grid


def _unavailable(run: RunInfo) -> list[str]:
    """A reason once per variant, whatever the batches."""
    where: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for name, reason in run.unavailable.items():
        case = Case.parse(name)
        where[case.variant, reason].append(case)
    lines = []
    for (variant, reason), cases in where.items():
        devices = ", ".join(sorted({case.device for case in cases}))
        models = ", ".join(dict.fromkeys(case.model for case in cases))
        of = f" ({models})" if len(run.models) > 1 else ""
        lines.append(f"{variant} on {devices}{of}: {reason}")
    return lines


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


def _null_arms(found: Sequence[Row]) -> Iterator[str]:
    """What the run could see, by the reference paired with a second copy of itself."""
    arms: dict[tuple[str, str], list[str]] = {}
    for row in found:
        if row.timed:
            lines = arms.setdefault((row.case.model, row.case.device), [])
            if row.timed.reference.null_arm:
                lines.append(_null_arm(row.case, row.timed.ratio))
    for (model, device), lines in arms.items():
        yield from lines or [
            f"no null arm of {model} on {device}: "
            "this run does not tell how small a change it can see"
        ]


def _null_arm(case: Case, ratio: Ratio) -> str:
    words = (
        f"null arm of {case.model} on {case.device}, batch {case.batch} ({case.variant} against a "
        f"second copy): {ratio.speedup:.3f}x"
    )
    low, high, detectable = ratio.low, ratio.high, ratio.detectable
    if low is None or high is None or detectable is None:
        return f"{words}; {ratio.rounds} rounds are too few for an interval"
    words += (
        f" [{low:.3f}, {high:.3f}] within this process; "
        f"this run can see changes of about {detectable * 100:.1f} %"
    )
    if not low <= 1 <= high:
        words += ". The interval leaves out 1, so this run is biased: two copies should be equal"
    return words


def _partly_quantized(found: Sequence[Row]) -> Iterator[str]:
    """Once per variant and model, whose linear layers are not all quantized."""
    lines: dict[tuple[str, str], None] = {}
    for row in found:
        for each in row.typed.values():
            artifact = each.extra_info.artifact
            if said := partly_quantized(
                artifact.quantized_layers, artifact.float_layers, artifact.float_by_option
            ):
                lines[f"{row.case.model}/{row.case.variant}", said] = None
    yield from (f"{case}: {said}" for case, said in lines)


def _of_the_user(found: Sequence[Row]) -> Iterator[str]:
    """Once per variant, whose recipe or file is the user's own: the state of its source or file."""
    lines: dict[str, None] = {}
    for row in found:
        for each in row.typed.values():
            artifact = each.extra_info.artifact
            if made := artifact.transform:
                source = f"{made.function}, source sha256 {made.sha256[:12]}"
                lines[f"{row.case.variant}: transform {source}"] = None
            elif artifact.build_seconds is None:
                file = f"{artifact.suffix} file of another tool, sha256 {artifact.sha256[:12]}"
                lines[f"{row.case.variant}: {file}"] = None
    yield from lines


def _throttled(found: Sequence[Row]) -> Iterator[str]:
    """Each case whose rounds a quota of CPU time stopped: that is noise which no variant makes."""
    for row in found:
        for group, each in row.typed.items():
            counted = each.extra_info.throttled if isinstance(each, TimedRow) else None
            if counted and counted.periods:
                yield (
                    f"{row.case.id}: {group} is noisy: the quota of its cgroup stopped it "
                    f"{counted.periods:,} times, for {counted.seconds:.2f} s of "
                    f"{counted.of_seconds:.2f} s: raise the quota or lower --threads"
                )


def _foundations(run: RunInfo) -> Iterator[str]:
    """Weights of each model, images, what static int8 was calibrated on, and threads."""
    remarks = dict[str, None]()
    for name, model in run.models.items():
        weights = model.weights
        synthetic = ", SYNTHETIC: agreement is shown, never claimed" if weights.synthetic else ""
        yield (
            f"{name}: {weights.origin} weights, sha256 {weights.sha256[:12]}{synthetic} "
            f"({weights.note})"
        )
        yield from (f"{name}: {note}" for note in model.notes)
        if model.images is not UNSET:
            remarks.update(dict.fromkeys(model.images.remarks))
        if model.calibration:
            yield f"{name}: static int8 is {model.calibration.sentence}"
    images = run.images
    labelled = "labelled" if images.labelled else "without labels"
    yield (
        f"{images.count} images of {images.photographs} photographs, {labelled} "
        f"({images.source}), sha256 {images.sha256[:12]}; threads: {run.threads}"
    )
    yield from remarks
