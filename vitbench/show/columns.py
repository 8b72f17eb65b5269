"""The columns of a table of cases: what each shows, and which fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitbench.heads.words import round_down
from vitbench.report.extra import AgreementInfo
from vitbench.report.fields import FIELD, Field
from vitbench.report.reader import Row
from vitbench.report.schema import ModelInfo

GAP = 2
LABELS = {"regression": "error", "embedding": "neighbours"}
"""By head: what the column of the agreement is called."""
WORDS = ("case", "agreement", "load_evidence", "arrangement", "load_front", "weights")
FIGURES = {"agreement": "share and bound", "error": "value and bound", "neighbours": "figures"}


@dataclass(frozen=True)
class Column:
    """A column in one form. Two forms of one column share a `name`; `adds` is what a form shows.

    `cell` takes a row to its text, "" where the report has nothing to show.
    """

    name: str
    label: str
    adds: str
    cell: Callable[[Row], str]

    @property
    def words(self) -> bool:
        """Whether its cells are words, which begin at the left."""
        return self.name in WORDS


def columns(models: Mapping[str, ModelInfo]) -> list[Column]:
    """All forms of all columns, most important first; a fuller form comes after a shorter one."""
    weights, label = partial(_weights, models), _agreement_label(models)
    forms = {
        "agreement": Column("agreement", label, label, _state),
        "speedup": Column("speedup", "speed-up", "speed-up", partial(_speedup, interval=False)),
        "build": Column("build", FIELD["build"].heading, "build", _build),
        "top1": Column("top1", "top-1", "top-1", partial(_share, "top1")),
    }
    ranked = [
        (field.room, forms.get(field.name) or plain(field))
        for field in FIELD.values()
        if field.room is not None
    ]
    ranked += [
        (0, CASE),
        (3, Column("speedup", "speed-up [95 %]", "interval of the speed-up", _speedup)),
        (3, Column("agreement", label, f"{FIGURES[label]} of the {label}", _agreement)),
        (FIELD["top1"].room or 0, Column("weights", "weights", "weights", weights)),
    ]
    return [column for _, column in sorted(ranked, key=lambda pair: pair[0])]


ORDER = ("case", *FIELD, "load_evidence", "arrangement", "load_front", "weights")
KEPT = ("case", "median", "server_rate", "server_queries", "load_evidence")
"""These stay, however narrow a terminal is."""


def fitting(
    shown: Sequence[Column], rows: Sequence[Row], width: int | None
) -> tuple[list[Column], list[str]]:
    """The columns that fit in `width` characters, in ORDER, and what is left out.

    Columns without a cell to show are in neither.
    """
    shown = [column for column in shown if any(column.cell(row) for row in rows)]
    chosen: dict[str, Column] = {}
    left_out = []
    for column in shown:
        wider = {**chosen, column.name: column}
        needed = sum(column_width(each, rows) + GAP for each in wider.values()) - GAP
        if width is None or needed <= width or column.name in KEPT:
            chosen = wider
        else:
            left_out.append(column.adds)
    return [chosen[name] for name in ORDER if name in chosen], left_out


def column_width(column: Column, rows: Sequence[Row]) -> int:
    """Characters of its widest cell or its label."""
    return max(map(len, (column.label, *map(column.cell, rows))))


def plain(field: Field) -> Column:
    """The figure of a field."""
    return Column(field.name, field.heading, field.label, partial(_number, field))


def _number(field: Field, row: Row) -> str:
    value = field.value(row.benchmarks)
    return "" if value is None else field.text(value)


def _build(row: Row) -> str:
    """A dash where another tool built the file: nothing was built here."""
    given = any(each.extra_info.artifact.build_seconds is None for each in row.typed.values())
    return "-" if given else _number(FIELD["build"], row)


def _share(name: str, row: Row) -> str:
    value = FIELD[name].value(row.benchmarks)
    return "" if value is None else f"{round_down(value, FIELD[name].digits)} %"


def _case(row: Row) -> str:
    """The id without the model, which heads the group."""
    return row.case.id.partition("/")[2]


CASE = Column("case", "case", "case", _case)


def _speedup(row: Row, interval: bool = True) -> str:
    if row.timed and row.timed.reference.null_arm:
        return "reference"
    value = FIELD["speedup"].value(row.benchmarks)
    if value is None:
        return ""
    low, high = FIELD["speedup"].interval(row.benchmarks)
    if interval and low is not None and high is not None:
        return f"{value:.2f}x [{low:.2f}, {high:.2f}]"
    return f"{value:.2f}x"


def _state(row: Row) -> str:
    if row.timed is None:
        return ""
    synthetic = "" if row.timed.agreement.claimed else " (synthetic)"
    return f"{row.timed.agreement.state}{synthetic}"


def _agreement(row: Row) -> str:
    if row.timed is None:
        return ""
    agreement = row.timed.agreement
    if agreement.itself:
        return f"reference {_state(row)}"
    words = _regression if agreement.error is not None else _share_words
    return " ".join(filter(None, (words(row, agreement), _state(row))))


def _regression(row: Row, agreement: AgreementInfo) -> str:  # noqa: ARG001
    """The error and its bound, which synthetic weights do not have."""
    if not agreement.claimed or agreement.error_upper is None:
        return f"err {agreement.error:.2g}"
    return f"err {agreement.error:.2g} <= {agreement.error_upper:.2g}"


def _share_words(row: Row, agreement: AgreementInfo) -> str:
    """The share and its lower bound; cosine and error instead where the share is not claimed."""
    cosine = agreement.cosine if agreement.centred_cosine is None else agreement.centred_cosine
    of_cosine = "" if cosine is None else f"cos {round_down(cosine, 4)}"
    if not agreement.claimed:
        error = agreement.relative_error
        of_error = "" if error is None else f"err {error:.2g}"
        return ", ".join(filter(None, (of_cosine, of_error)))
    (lower,) = FIELD["agreement"].interval(row.benchmarks)
    share = _share("agreement", row)
    if lower is None or not share:
        return ""
    shown = f"{share} >= {round_down(lower, 1)} %"
    return shown if agreement.centred_cosine is None else f"{shown}, {of_cosine}"


def _agreement_label(models: Mapping[str, ModelInfo]) -> str:
    """What the column is called: by the head, where all models have one."""
    heads = {model.head for model in models.values()}
    return LABELS.get(heads.pop(), "agreement") if len(heads) == 1 else "agreement"


def _weights(models: Mapping[str, ModelInfo], row: Row) -> str:
    if row.case.model not in models:
        return ""
    weights = models[row.case.model].weights
    return f"{weights.origin}{', synthetic' if weights.synthetic else ''}"
