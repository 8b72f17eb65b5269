"""What follows from a comparison of a case with its baseline, and the exit code of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

WORSE = ("SLOWER", "DRIFTED", "LARGER")
UNDECIDED = ("INCONCLUSIVE", "MISSING")
"""The comparison did not decide. A case that is missing has not passed."""
VERDICTS = ("SAME", "FASTER", *WORSE, *UNDECIDED, "NEW", "INCOMPARABLE")

PASS, REGRESSION, NOTHING_COMPARABLE, INCONCLUSIVE, USAGE = 0, 1, 2, 3, 4
NOTHING = "nothing was compared"


@dataclass(frozen=True)
class Verdict:
    """One case compared with its baseline, and one sentence why.

    `change` is the case's time, or size, over the baseline's less 1 (0.05: takes 5 % longer),
    `low` and `high` bound it as the sentence says; None where nothing was compared. `figures` is
    what else it rests on.
    """

    case: str
    state: str
    sentence: str
    change: float | None = None
    low: float | None = None
    high: float | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state not in VERDICTS:
            raise ValueError(f"{self.state!r} is no verdict: {', '.join(VERDICTS)}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def count_compared(verdicts: Sequence[Verdict]) -> int:
    """How many verdicts rest on a comparison. INCONCLUSIVE does not where figures say so, or say
    that a duet finished no block."""
    count = 0
    for each in verdicts:
        without = each.figures.get("compared") is False or each.figures.get("blocks") == 0
        count += each.state in ("SAME", "FASTER", *WORSE)
        count += each.state == "INCONCLUSIVE" and not without
    return count


def family_words(tests: int) -> str:
    """What an error rate is for: words after "at 1 %"."""
    return "for its only test" if tests == 1 else f"for all {tests} tests together"


def exit_code(verdicts: Sequence[Verdict], inconclusive_fails: bool = True) -> int:
    """1 regression or drift, before 3 inconclusive or missing, before 2 nothing comparable."""
    states = {verdict.state for verdict in verdicts}
    if states & set(WORSE):
        return REGRESSION
    if states & set(UNDECIDED) and inconclusive_fails:
        return INCONCLUSIVE
    return PASS if count_compared(verdicts) else NOTHING_COMPARABLE
