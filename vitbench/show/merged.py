"""Of which reports a merged report was made, in words."""

from collections.abc import Iterator
from datetime import UTC, datetime

from vitbench.errors import counted
from vitbench.report.order import timestamp
from vitbench.report.schema import RunInfo


def sources(run: RunInfo) -> Iterator[str]:
    """A line for each report: its file, computer, time, and what it gave; none where one run wrote
    the report."""
    for each in run.merged.sources if run.merged else ():
        words = f"merged from {each.file}: {counted(len(each.rows), 'benchmark')}"
        words += f", taken on {each.node}" if each.node else ", taken"
        words += f" until {_date(each.datetime)}"
        if each.selected:
            words += f", with the cases that `{' '.join(each.selected)}` selected"
        yield words + ("" if each.complete else "; INCOMPLETE: that run was cut short")
    if run.merged and run.merged.whole:
        yield "merged with --whole: together these reports are the whole suite"


def _date(text: str) -> str:
    seconds = timestamp(text)
    return f"{datetime.fromtimestamp(seconds or 0, UTC):%Y-%m-%d %H:%M} UTC"
