"""The front of a report: the fastest variant, and each slower one that is surely better in
something than every faster one on the front."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vitbench.judge.candidates import NEEDS, Candidate
from vitbench.judge.change import CERTAIN, Change, run_factor
from vitbench.judge.drift import FlipCounts
from vitbench.report.reader import Row
from vitbench.stats.intervals import CONFIDENCE
from vitbench.stats.multiplicity import holm

AGREEMENT = "agreement"
LEVEL = 0.05
"""How often a report in which no variant agrees more than another one may say so of any."""
SAME_SIZE = math.log(1.01)
"""Up to 1 % the bytes of two artifacts are the same, as in the gate."""
Pair = tuple[str, str]
"""Of case ids: the slower one, and a faster one."""


def front_of(
    able: Sequence[Candidate], compared: Sequence[str], need: str, above: Mapping[Pair, float]
) -> dict[str, list[Candidate]]:
    """By case: the faster ones on the front than which it is surely better in nothing. A case is on
    the front where there are none.

    `compared`: of what all have figures. `above`: as of `agreeing_more`. Where not all have a
    latency, the figure of `need` is in its place. What has the best of `need` is on the front.
    """
    first = "latency" if "latency" in compared else need
    best = min(able, key=lambda each: (each.cost(need), each.paired)).case if able else ""
    behind: dict[str, list[Candidate]] = {}
    front: list[Candidate] = []
    for each in sorted(able, key=lambda each: (each.cost(first), each.case != best)):
        behind[each.case] = [
            faster
            for faster in front
            if each.case != best and not any(_better(each, faster, x, above) for x in compared)
        ]
        if not behind[each.case]:
            front.append(each)
    return behind


def agreeing_more(
    rows: Sequence[Row], truth: Mapping[str, Any], order: Sequence[str]
) -> dict[Pair, float]:
    """By pair of cases, a later and an earlier one of `order`: the p-value, among all pairs (Holm),
    of "the later one agrees with the `truth`, an answer by image, on no more images".

    Exact McNemar test on the images that both answered, counts divided by the design effect.
    """
    of = {row.case.id: row.timed for row in rows if row.timed}
    right = {
        case: {
            image: answer == truth[image]
            for image, answer in of[case].predictions.by_image.items()
            if image in truth
        }
        for case in order
        if case in of
    }
    cases, flips = list(right), dict[Pair, FlipCounts]()
    for index, later in enumerate(cases):
        for earlier in cases[:index]:
            ours, theirs = right[later], right[earlier]
            worth = [of[case].agreement.worth or 0.0 for case in (later, earlier)]
            shared = ours.keys() & theirs.keys()
            more = sum(ours[image] and not theirs[image] for image in shared)
            less = sum(theirs[image] and not ours[image] for image in shared)
            flips[later, earlier] = FlipCounts(len(shared), more, less, min(worth))
    return holm({pair: each.p_value() for pair, each in flips.items()})


def _better(one: Candidate, other: Candidate, name: str, above: Mapping[Pair, float]) -> bool:
    """Whether a case is better than another one by more than such a figure varies by."""
    if name == AGREEMENT:
        return above.get((one.case, other.case), 1.0) <= LEVEL
    ours, theirs = one.cost(name), other.cost(name)
    if ours >= theirs or not ours or not theirs:
        return ours < theirs
    return abs(math.log(theirs / ours)) > _spread(name)


def _spread(name: str) -> float:
    """By how much the logs of two figures of unchanged code differ, one-sided 95 %."""
    if name == "size":
        return SAME_SIZE
    if spread := NEEDS[name].spread:
        return Change(0.0, spread[0] * math.sqrt(2), CERTAIN).quantile(CONFIDENCE)
    return math.log(run_factor())
