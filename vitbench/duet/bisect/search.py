"""A binary search over commits, by an oracle that may be unable to tell, and may be wrong."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from vitbench.duet.bisect.commits import Commit


class Half(Enum):
    """On which side of the change a commit lies, as far as is known."""

    BEFORE = "before"
    AFTER = "after"
    UNDECIDED = "undecided"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Step:
    """What was found of a commit, with a sentence why. `error`: how often such an answer is wrong,
    at most; 0 where it rests on no measurement. `blocks`: how many were played."""

    commit: Commit
    half: Half
    sentence: str
    error: float = 0.0
    blocks: int = 0


@dataclass(frozen=True)
class Narrowed:
    """`before` is the last commit that is known to lie before the change, `first` are those of
    which one is the first after it: one, or more where those between could not be decided."""

    before: Commit
    first: tuple[Commit, ...]
    steps: tuple[Step, ...]


def search(
    line: Sequence[Commit],
    ask: Callable[[Commit, float], Step | None],
    error: float,
    comparisons_after: int = 1,
) -> Narrowed:
    """The commits of which one is the first after the change.

    `line`: the first lies before the change, the last after it. `ask` answers for a commit, at the
    error probability that it is given; None ends the search. The errors of all its answers, and of
    `comparisons_after` that follow with as much, add up to `error` at most: each gets an equal
    share of what is left for those that may still come. A commit that cannot be decided is passed
    by, and the one next to it is asked, as `git bisect skip` does.
    """
    low, high, left = 0, len(line) - 1, error
    steps: list[Step] = []
    known = {low, high}
    while between := [at for at in range(low + 1, high) if at not in known]:
        middle = (low + high) / 2
        at = min(between, key=lambda each: (abs(each - middle), each))
        most = max(1, math.ceil(math.log2(high - low))) + comparisons_after
        step = ask(line[at], left / most)
        if step is None:
            break
        known.add(at)
        steps.append(step)
        left -= step.error
        if step.half is Half.BEFORE:
            low = at
        elif step.half is Half.AFTER:
            high = at
    return Narrowed(line[low], tuple(line[low + 1 : high + 1]), tuple(steps))
