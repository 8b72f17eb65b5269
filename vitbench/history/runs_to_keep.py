"""Which runs of a series must stay, so that its changes are found again without the others."""

from collections.abc import Sequence

from vitbench.stats.change_points import ChangePoint, change_points
from vitbench.stats.change_rules import FIRST_RUNS, LEAST_BEFORE, SPANS

# Runs on either side of a change that stay; more where the change would not be found again.
AROUND = max(LEAST_BEFORE, SPANS[4])


def runs_to_keep(values: Sequence[float], places: set[int]) -> set[int]:
    """Of a series (n,): `places`, its last one, and what more must stay.

    AROUND values on either side of each change, all of a gradual one, the first ones that it is
    compared with, and more around each until the changes are found again.
    """
    found, around, last = change_points(values), AROUND, len(values) - 1
    while True:
        stay = sorted({*places, last, *(p for x in found for p in _near(x, around) if p <= last)})
        again = change_points([values[place] for place in stay])
        if around > last or _same(found, again, stay):
            return set(stay)
        around *= 2


def _near(change: ChangePoint, around: int) -> set[int]:
    near = range(max(0, change.at - around), change.until + around)
    return {*near, *(range(change.since, change.since + FIRST_RUNS) if change.gradual else ())}


def _same(found: Sequence[ChangePoint], again: Sequence[ChangePoint], stay: Sequence[int]) -> bool:
    return len(found) == len(again) and all(
        one.gradual == other.gradual
        and (one.size > 0) == (other.size > 0)
        and abs(stay[other.at] - one.at) <= AROUND
        for one, other in zip(found, again, strict=True)
    )
