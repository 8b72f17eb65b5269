"""What a duet says of a commit between two others: on which side of their change it lies."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from vitbench.case import Case
from vitbench.duet.base.side import Side
from vitbench.duet.bisect.commits import Commit
from vitbench.duet.bisect.search import Half, Step
from vitbench.duet.play import Duet
from vitbench.duet.rule import Rule, null_arm_excess
from vitbench.errors import UserError, WorkerFailed
from vitbench.judge.verdict import Verdict
from vitbench.measure.options import Options
from vitbench.stats.halves import side_of
from vitbench.stats.multiplicity import SUITE_LEVEL
from vitbench.stats.sequential import Blocks

Say = Callable[[str], None]
Open = Callable[[Commit], AbstractContextManager[Side]]
"""Checks a commit out: a side of a duet, until the context ends."""

HALVES = {1: Half.AFTER, -1: Half.BEFORE, 0: Half.UNDECIDED}


def halfway(ends: Verdict) -> float:
    """Half of the least change that the ends show, a log ratio: of the near end of their interval.

    The estimate itself was looked at until it was large enough, so it is rather too large: on a
    noisy machine half of it may lie beyond the true change, and all commits would be before it.
    """
    change = ends.change or 0.0
    near = ends.low if change > 0 else ends.high
    shown = near is not None and near * change > 0
    return math.log1p(near if shown and near is not None else change) / 2


@dataclass(frozen=True)
class Duets:
    """How commits are compared: a case, by a rule, each until `deadline` (time.monotonic) at
    most. `shortcut`: as of Duet."""

    case: Case
    options: Options
    rule: Rule
    deadline: float
    open: Open
    say: Say
    shortcut: bool = True

    @property
    def minutes(self) -> float:
        """Those that are left, at least 0."""
        return max(0.0, (self.deadline - time.monotonic()) / 60)

    def naming(self, sides: Mapping[str, Side]) -> Say:
        """Says lines of a duet that begin with a side's name, with the side's commit in its place:
        the user gave GOOD and BAD."""

        def say(words: str) -> None:
            name, colon, rest = words.partition(":")
            self.say(f"{sides[name].label}:{rest}" if colon and name in sides else words)

        return say

    def compare(self, base: Side, commit: Commit, profile: bool) -> tuple[Verdict, bool]:
        """The verdict of a commit as head against a base that is checked out, with what both
        execute, and whether head failed to build, to verify or to answer. `profile`: as of Duet."""
        with self.open(commit) as side:
            sides = {"base": base, "head": side}
            say = self.naming(sides)
            duet = Duet(sides, self.options, say, shortcut=self.shortcut, profile=profile)
            (verdict,) = duet.run([self.case], self.rule, self.minutes)
        return verdict, self.case.id in duet.progress.head_failures


class HalfwayDuet(Duet):
    """A duet of one case that ends once its change is shown to lie on a side of a bound, a log
    ratio, at the error probability `level` for either side."""

    def __init__(self, sides: Mapping[str, Side], duets: Duets, bound: float, level: float) -> None:
        say = duets.naming(sides)
        super().__init__(sides, duets.options, say, explain=False, shortcut=duets.shortcut)
        self.bound, self.level = bound, level

    def open_cases(self, cases: Sequence[Case], rule: Rule) -> list[Case]:
        timed = [case for case in cases if self.played(cases).timed(case.id)]
        return [case for case in timed if not self.side(case, rule)]

    def side(self, case: Case, rule: Rule) -> int:
        """1: above the bound, -1: below, 0: not shown yet."""
        blocks = self.progress.blocks.get(case.id, [])
        found, null = (
            Blocks.of([getattr(block, name) for block in blocks])
            for name in ("change", "null_change")
        )
        off = null_arm_excess(null, math.log1p(rule.limit(case.id)))
        return side_of(found, self.bound, off, rule.planned, self.level)


@dataclass(frozen=True)
class Oracle:
    """Asks of a commit on which side of the change of `ends` it lies, compared with `good`."""

    duets: Duets
    good: Side
    ends: Verdict
    bad_failed: bool

    def __call__(self, commit: Commit, level: float) -> Step | None:
        """None where no time is left. A commit that cannot be checked out, built or compared is
        skipped."""
        if not self.duets.minutes:
            return None
        try:
            with self.duets.open(commit) as side:
                if self.ends.state == "DRIFTED":
                    return self._by_predictions(commit, side)
                return self._by_times(commit, side, level)
        except (UserError, WorkerFailed) as reason:
            return Step(commit, Half.SKIPPED, str(reason))

    def _by_times(self, commit: Commit, side: Side, level: float) -> Step:
        """By `halfway`. What changed by steps lies on one side of it, too."""
        case, sign = self.duets.case, 1 if self.ends.state == "SLOWER" else -1
        rule = replace(self.duets.rule, planned=2 * self.duets.rule.planned)
        bound = halfway(self.ends)
        duet = HalfwayDuet({"base": self.good, "head": side}, self.duets, bound, level)
        (verdict,) = duet.run([case], rule, self.duets.minutes)
        if verdict.figures.get("identical"):
            return Step(commit, Half.BEFORE, verdict.sentence)
        blocks = len(duet.progress.blocks.get(case.id, []))
        if not blocks:
            return Step(commit, Half.SKIPPED, verdict.sentence)
        half = HALVES[sign * duet.side(case, rule)]
        words = f"{verdict.sentence.partition(')')[0]})"
        return Step(commit, half, words, level, blocks)

    def _by_predictions(self, commit: Commit, side: Side) -> Step:
        """A drift is found when a case is prepared: no block is played."""
        case = self.duets.case
        duet = HalfwayDuet({"base": self.good, "head": side}, self.duets, 0.0, 0.5)
        (verdict,) = duet.run([case], replace(self.duets.rule, planned=0), self.duets.minutes)
        failed = case.id in duet.progress.head_failures
        if verdict.state == "DRIFTED" and failed == self.bad_failed:
            return Step(commit, Half.AFTER, verdict.sentence, SUITE_LEVEL * (not failed))
        if failed or verdict.state in ("INCOMPARABLE", "MISSING"):
            return Step(commit, Half.SKIPPED, verdict.sentence)
        words = "the predictions are those of the good commit, as far as the images show"
        return Step(commit, Half.BEFORE, words, SUITE_LEVEL * (not self.bad_failed))
