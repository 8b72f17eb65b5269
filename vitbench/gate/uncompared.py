"""When nothing was compared: whether a gate says so as a warning, or fails."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from vitbench.gate.baseline import Baseline
from vitbench.judge.verdict import VERDICTS, Verdict, count_compared
from vitbench.report.machine import taken
from vitbench.report.reader import rows

DAYS = 14
"""How long a gate may compare nothing before it fails, where its history is not empty."""


@dataclass(frozen=True)
class Uncompared:
    """Nothing was compared, and why. A warning, unless it fails the gate."""

    sentence: str
    fails: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def uncompared(
    report: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    baseline: Baseline,
    since: date | None = None,
    days: float = DAYS,
) -> Uncompared | None:
    """None where something of the report was compared. Today is the day of the report.

    A baseline that was named fails: it was to be compared. So does a report that has nothing to
    compare. With a history it is a warning before the day `since`. From then on an empty history
    fails, and any other once nothing was compared for `days`: since the newest older report that
    could itself be compared with an earlier report, on any machine, or else since the oldest.
    """
    if count_compared(verdicts):
        return None
    history, counted = baseline.history, _counts(verdicts)
    if history is None:
        return Uncompared(f"{counted} against {baseline.words}", True)
    unheld = any(each.state in ("NEW", "INCOMPARABLE") for each in verdicts)
    measured = any(row.timed or "footprint" in row.benchmarks for row in rows(report))
    if not measured or (history.like and not unheld):
        return Uncompared(f"{counted}: this report has nothing that could be compared", True)
    when = taken(report, "the report")
    words = f"{counted}; {baseline.words}"
    if since is not None and when.date() < since:
        return Uncompared(f"{words}; a warning until {since} (history_since)", False)
    if not history.older or history.oldest is None:
        what = "it has no readable report that is older than this one"
        if not history.others:
            what = "this is the first one, with which later reports are compared"
        why = "that is an error, because a history that was lost looks the same"
        if since is None:
            day = when.date() + timedelta(days=DAYS)
            why += (
                "; for a new history, write into [tool.vitbench] of pyproject.toml the day from "
                f'which on it is an error: history_since = "{day}"'
            )
        return Uncompared(f"{words}: {what}; {why}", True)
    last = history.compared or history.oldest
    gap = when - last
    what = "the newest report that could be compared" if history.compared else "the oldest report"
    words += f"; {what} is {gap / timedelta(days=1):.1f} days older"
    fails = gap > timedelta(days=days)
    limit = f"which is more than {days:g}" if fails else f"a warning up to {days:g} days"
    return Uncompared(f"{words}, {limit} (--uncompared-days)", fails)


def _counts(verdicts: Sequence[Verdict]) -> str:
    found: Mapping[str, int] = Counter(each.state for each in verdicts)
    counted = [f"{found[state]} {state}" for state in VERDICTS if state in found]
    return ", ".join(counted) or "no case was judged"
