"""Which commit changed the time or the predictions of a case: a binary search with the duet."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vitbench.duet.bisect.commits import Commit
from vitbench.duet.bisect.oracle import Duets, Oracle
from vitbench.duet.bisect.search import Half, Narrowed, search
from vitbench.errors import counted
from vitbench.judge.verdict import INCONCLUSIVE, NOTHING_COMPARABLE, PASS, UNDECIDED, Verdict

CHANGES = {"slower": "SLOWER", "faster": "FASTER", "drift": "DRIFTED"}
"""What can be searched for, and the verdict that shows it."""
ERROR_OF_STEPS = 0.04
"""Of all comparisons after that of the ends, whose own is `Rule.alpha`, 1 %: 5 % together."""


@dataclass(frozen=True)
class Bisected:
    """What was found. `line`: the commits from good to bad. `ends`: the verdict of bad against
    good. `narrowed` is None where the ends show nothing to search for; `confirmed` is the verdict
    of the first changed commit against the one before it, if there was one and time for it."""

    case: str
    line: tuple[Commit, ...]
    ends: Verdict
    wanted: str | None
    narrowed: Narrowed | None = None
    confirmed: Verdict | None = None
    out_of_time: bool = False

    @property
    def first(self) -> Commit | None:
        """The first changed commit, where it is known."""
        found = self.narrowed.first if self.narrowed else ()
        return found[0] if len(found) == 1 and not self.contradicted else None

    @property
    def contradicted(self) -> bool:
        """Whether the commit that was found does not show the change against the one before."""
        return self.confirmed is not None and self.confirmed.state != self.ends.state

    @property
    def comparisons(self) -> int:
        """How many were judged by measurements."""
        steps = self.narrowed.steps if self.narrowed else ()
        counted = sum(step.half is not Half.SKIPPED and step.error > 0 for step in steps)
        return 1 + counted + (self.confirmed is not None and self.confirmed is not self.ends)

    @property
    def code(self) -> int:
        """0: found; 2: there is nothing to find; 3: undecided, or a range of commits."""
        if self.narrowed is None:
            return INCONCLUSIVE if self.ends.state in UNDECIDED else NOTHING_COMPARABLE
        return PASS if self.first else INCONCLUSIVE

    def to_json(self) -> dict[str, Any]:
        narrowed = self.narrowed
        return {
            "case": self.case,
            "commits": [commit.to_json() for commit in self.line],
            "ends": self.ends.to_json(),
            "first": self.first and self.first.to_json(),
            "range": [each.to_json() for each in narrowed.first] if narrowed else [],
            "steps": [
                {**asdict(step), **step.commit.to_json(), "half": step.half.value}
                for step in (narrowed.steps if narrowed else ())
            ],
            "confirmed": self.confirmed and self.confirmed.to_json(),
            "comparisons": self.comparisons,
            "out_of_time": self.out_of_time,
        }


def bisect(line: Sequence[Commit], duets: Duets, wanted: str | None = None) -> Bisected:
    """Compares the ends of `line`, good first, then searches for what they show.

    `wanted`: SLOWER, FASTER or DRIFTED; None: whichever of them the ends show. Raises UserError
    where an end cannot be compared at all.
    """
    whole, case = tuple(line), duets.case.id
    with duets.open(line[0]) as good:
        between = counted(len(line) - 1, "commit")
        duets.say(f"bad {line[-1]}, as head, against good {line[0]}, as base: {between}")
        ends, bad_failed = duets.compare(good, line[-1], profile=len(line) == 2)
        duets.say(f"{ends.state}: {ends.sentence}")
        if ends.state not in CHANGES.values() or (wanted and ends.state != wanted):
            return Bisected(case, whole, ends, wanted)
        oracle = Oracle(duets, good, ends, bad_failed)

        def ask(commit: Commit, error: float) -> Any:
            duets.say(f"{commit}: is it before or after the change?")
            step = oracle(commit, error)
            duets.say(f"{commit}: {step.half.value}: {step.sentence}" if step else "time is up")
            return step

        narrowed = search(line, ask, ERROR_OF_STEPS)
    out = not duets.minutes
    confirmed = None
    if len(narrowed.first) == 1:
        if (narrowed.before, *narrowed.first) == (line[0], line[-1]):
            confirmed = ends
        elif not out:
            confirmed = _confirm(narrowed, duets)
    return Bisected(case, whole, ends, wanted, narrowed, confirmed, out and confirmed is None)


def _confirm(narrowed: Narrowed, duets: Duets) -> Verdict:
    """The first changed commit against the one before it: the change is that commit's own."""
    (first,) = narrowed.first
    duets.say(f"{first} against the commit before it, {narrowed.before}")
    left = ERROR_OF_STEPS - sum(step.error for step in narrowed.steps)
    alpha = min(duets.rule.alpha, left) if left > 0 else duets.rule.alpha
    with duets.open(narrowed.before) as before:
        return replace(duets, rule=replace(duets.rule, alpha=alpha)).compare(before, first, True)[0]
