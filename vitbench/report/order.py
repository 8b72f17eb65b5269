"""The order of runs and of their commits: a commit may be measured long after newer ones."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


def timestamp(text: Any) -> float | None:
    """Seconds since 1970 of a date and time in ISO 8601, UTC where it names no zone; else None."""
    try:
        found = datetime.fromisoformat(text)
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        datetime.fromtimestamp(seconds, UTC)  # Near year 1 or 9999 there is no way back.
        return seconds
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def out_of_order(committed: Sequence[float | None], taken: Sequence[float]) -> list[bool]:
    """Whether each run, in the order in which they were taken, is of a commit older than the
    newest one measured before it. Times are seconds since 1970; None, a commit without one, is in
    order. No commit is newer than its run: a clock that was ahead would hide all after it.
    """
    newest, found = -math.inf, []
    for commit, run in zip(committed, taken, strict=True):
        time = newest if commit is None else min(commit, run)
        found.append(time < newest)
        newest = max(newest, time)
    return found
