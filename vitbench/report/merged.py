"""What a merged report says of the reports that it was made of, as types."""

from msgspec import Struct

from vitbench.report.extra import Table
from vitbench.report.timed import Ratio


class Source(Struct, frozen=True):
    """A report of which a merged one was made. Case and group name a benchmark: `rows` are those
    whose figures are its own, `not_taken` those of which another report has the figures.
    `null_arms`: of the latter, what its own null arms showed, by case and group with a space
    between them. `node`: the computer; `selected`: None where the report does not say."""

    file: str
    sha256: str
    datetime: str
    node: str
    complete: bool
    rows: list[tuple[str, str]]
    not_taken: list[tuple[str, str]] = []
    null_arms: dict[str, Ratio] = {}
    selected: list[str] | None = None
    readings: Table = {}
    peaks_per_second: Table = {}


class Merged(Struct, frozen=True):
    """`whole`: the user said that the reports are the whole suite."""

    sources: list[Source]
    whole: bool
