"""Which operators a slower case spends its time on, or that the time lies outside of operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vitbench.duet.turns import ARMS
from vitbench.judge.verdict import Verdict
from vitbench.stats.contrasts import Contrast
from vitbench.stats.multiplicity import holm

Profiles = Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
"""By arm, the profiles of one round each: rows with `name` and `seconds` of one call."""

LEAST_ROUNDS, ROUNDS = 3, 6
LEVEL = 0.05
"""How often one operator or more of a case is named though none grew."""
LEAST_SHARE = 0.1
"""Of the change of the case's time: an operator that grew by less explains nothing."""
MOST_NAMED = 3


@dataclass(frozen=True)
class Growth:
    """Of an operator, or of all together: seconds a call in base (of both base arms) and in head.
    `low` and `high` bound the growth at 90 %."""

    name: str
    base_seconds: float
    head_seconds: float
    low: float
    high: float

    @property
    def seconds(self) -> float:
        return self.head_seconds - self.base_seconds

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "base_seconds": self.base_seconds,
            "head_seconds": self.head_seconds,
            "growth_low": self.low,
            "growth_high": self.high,
        }


def with_operators(verdict: Verdict, profiles: Profiles) -> Verdict:
    """The verdict of a slower case, whose sentence says where the time is that a call takes longer.

    It names the operators of `grown_operators`. Where all operators together grew by less than half
    of that time, surely (one-sided 5 %), it says that the rest lies outside of them.
    """
    slower = verdict.figures["base_median_seconds"] * (verdict.change or 0.0)
    rounds, names = len(profiles["head"]), _names(profiles)
    grown, together = grown_operators(profiles, slower), _growth("all", _totals(profiles))
    parts = []
    if grown:
        words = ", ".join(
            f"{each.name} {_ms(each.head_seconds)} ms (was {_ms(each.base_seconds)})"
            for each in grown[:MOST_NAMED]
        )
        parts.append(
            f"Operators that grew: {words}; {rounds} profiles of each arm, at an error rate of "
            f"{LEVEL:.0%} for {_all(len(names))}"
        )
    found = f"{_signed(together.seconds)} ms [{_signed(together.low)}, {_signed(together.high)}]"
    if together.high < slower / 2:
        parts.append(
            f"A call takes {_signed(slower)} ms, its operators {found}: the "
            f"{'rest' if grown else 'time'} lies outside of the operators that the profiler sees "
            "(Python, copies, sleeping, the runtime itself)"
        )
    elif not grown:
        parts.append(
            f"No operator grew beyond its own noise by a tenth of the {_signed(slower)} ms that a "
            f"call takes; {_all(len(names))}: {found}"
        )
    return replace(
        verdict,
        sentence=". ".join([verdict.sentence, *parts]),
        figures={
            **verdict.figures,
            "operators": [each.to_json() for each in grown],
            "operators_together": {**together.to_json(), "case_growth_seconds": slower},
        },
    )


def grown_operators(profiles: Profiles, slower_seconds: float) -> list[Growth]:
    """The operators that grew, the one that grew most first.

    An operator grew where head's time exceeds that of both base arms beyond the noise that the arms
    show from round to round (`Contrast`), at `LEVEL` for all operators of the case together (Holm),
    and by at least a tenth of the `slower_seconds` that the case takes longer. An operator that an
    arm does not have takes 0 seconds there.
    """
    found = {name: _series(profiles, name) for name in _names(profiles)}
    adjusted = holm({name: _contrast(series).p_not_greater() for name, series in found.items()})
    grown = [_growth(name, found[name]) for name, p in adjusted.items() if p <= LEVEL]
    enough = [each for each in grown if each.seconds >= LEAST_SHARE * slower_seconds]
    return sorted(enough, key=lambda each: -each.seconds)


def _names(profiles: Profiles) -> set[str]:
    return {row["name"] for rounds in profiles.values() for rows in rounds for row in rows}


def _series(profiles: Profiles, name: str) -> dict[str, list[float]]:
    """Seconds of an operator by arm and round."""
    return {
        arm: [sum(row["seconds"] for row in rows if row["name"] == name) for rows in profiles[arm]]
        for arm in ARMS
    }


def _totals(profiles: Profiles) -> dict[str, list[float]]:
    return {arm: [sum(row["seconds"] for row in rows) for rows in profiles[arm]] for arm in ARMS}


def _contrast(series: Mapping[str, Sequence[float]]) -> Contrast:
    return Contrast.of(series["head"], series["base"], series["null"])


def _growth(name: str, series: Mapping[str, Sequence[float]]) -> Growth:
    low, high = _contrast(series).bounds(LEVEL)
    base = float(np.mean([series["base"], series["null"]]))
    return Growth(name, base, float(np.mean(series["head"])), low, high)


def _all(count: int) -> str:
    return f"all {count} operators together" if count > 1 else "its only operator"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}"


def _signed(seconds: float) -> str:
    return f"{seconds * 1e3:+.3g}"
