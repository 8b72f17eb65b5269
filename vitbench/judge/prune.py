"""Which old reports of a history can go without its changes being lost."""

from collections.abc import Sequence

from vitbench.judge.changes import LEAST_BEFORE, SPANS
from vitbench.judge.store import History
from vitbench.judge.trends import Trend

# Of runs older than is kept whole, one of a week stays.
WEEK_SECONDS = 7 * 86400
# Runs on either side of a change that stay: enough for it to be told again.
AROUND = max(LEAST_BEFORE, SPANS[4])


def prunable(history: History, found: Sequence[Trend], keep_seconds: float) -> list[str]:
    """Files of the runs that may go, oldest first.

    Kept: runs younger than `keep_seconds` before the newest, the first run of each week and
    fingerprint class, the AROUND runs of a series on either side of each of its changes, and the
    newest run of every series.
    """
    if not history.runs:
        return []
    limit = history.runs[-1].time - keep_seconds
    keep = {index for index, run in enumerate(history.runs) if run.time >= limit}
    weeks: dict[tuple[str, ...], int] = {}
    for index, run in enumerate(history.runs):
        week = (str(int(run.time // WEEK_SECONDS)), *sorted(run.classes.values()))
        weeks.setdefault(week, index)
    keep |= set(weeks.values())
    for each in found:
        keep.add(each.runs[-1])
        for event in each.events:
            at = each.runs.index(event.run)
            keep |= set(each.runs[max(0, at - AROUND) : at + AROUND])
    return [run.file for index, run in enumerate(history.runs) if index not in keep]
