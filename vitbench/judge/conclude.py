"""A duet's verdicts: what could be compared at all, whether predictions drifted, then the times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from vitbench.judge.drift import Flips, drifted
from vitbench.judge.duet import Block, Rule, judge
from vitbench.judge.verdict import Verdict

SIDES = ("base", "head")


@dataclass(frozen=True)
class Played:
    """What a duet knows of its cases, by case id.

    `prepared`: by side, what an arm answered to `prepare` (agreement, predictions, artifact).
    `absent`: by side, why it has not got a case. `failed`: why a case has no more blocks.
    `fails`: what became of head's build of a case.
    """

    cases: Sequence[str]
    prepared: Mapping[str, Mapping[str, Mapping[str, Any]]]
    absent: Mapping[str, Mapping[str, str]]
    failed: Mapping[str, str]
    blocks: Mapping[str, Sequence[Block]]
    fails: Mapping[str, str] = field(default_factory=dict)

    def broken(self, side: str, case: str) -> bool:
        return bool(self.prepared[side][case]["agreement"]["state"] == "BROKEN")

    def has(self, side: str, case: str) -> bool:
        return case in self.prepared[side]

    def comparable(self, case: str) -> bool:
        """Whether its times say something: both sides have it, and head predicts what base does."""
        return (
            all(self.has(side, case) for side in SIDES)
            and not self.broken("base", case)
            and case not in self.drifted
        )

    def timed(self, case: str) -> bool:
        """Whether it is to be timed: comparable, and no block of it failed."""
        return self.comparable(case) and case not in self.failed

    @property
    def judged(self) -> dict[str, Sequence[Block]]:
        """The blocks of the comparable cases; of one that failed, those finished before."""
        found = {c: self.blocks.get(c, []) for c in self.cases if self.comparable(c)}
        return {c: blocks for c, blocks in found.items() if blocks or c not in self.failed}

    @cached_property
    def drifted(self) -> dict[str, Verdict]:
        """The verdicts of the cases whose predictions changed for the worse."""
        return _drifted(self)


def conclude(played: Played, rule: Rule) -> list[Verdict]:
    """A verdict for every case, in their order."""
    timed = judge(played.judged, rule)
    return [
        played.drifted.get(case) or _stopped(case, played, timed) or _untimed(case, played)
        for case in played.cases
    ]


def _stopped(case: str, played: Played, timed: Mapping[str, Verdict]) -> Verdict | None:
    """The verdict of the finished blocks, if any. Where a block failed, SLOWER and FASTER stand,
    and SAME does not: what crashes now and then is not the same."""
    verdict, reason = timed.get(case), played.failed.get(case)
    if verdict is None or reason is None:
        return verdict
    state = "INCONCLUSIVE" if verdict.state == "SAME" else verdict.state
    return replace(verdict, state=state, sentence=f"{verdict.sentence}. No more blocks: {reason}")


def _untimed(case: str, played: Played) -> Verdict:
    absent = {side: played.absent[side].get(case) for side in SIDES}
    if case in played.failed:
        return Verdict(case, "INCONCLUSIVE", played.failed[case], figures={"blocks": 0})
    if absent["base"] and case in played.fails:
        state, why = "INCOMPARABLE", f"base has not got it, and it fails here: {played.fails[case]}"
    elif absent["base"] and absent["head"]:
        state, why = "INCOMPARABLE", f"neither side has it: {absent['head']}"
    elif absent["base"]:
        state, why = "NEW", f"head has it, base does not: {absent['base']}"
    elif absent["head"]:
        state, why = "MISSING", f"base has it, head does not: {absent['head']}"
    else:
        sentence = played.prepared["base"][case]["agreement"]["sentence"]
        state, why = "INCOMPARABLE", f"base's own predictions are wrong: {sentence}"
    return Verdict(case, state, why)


def _drifted(played: Played) -> dict[str, Verdict]:
    """The cases whose predictions changed for the worse.

    Head fails at it or its contract is BROKEN, and base's is not; or head agrees with base's fp32
    on fewer of the same images than base does (`drift.drifted`). Flips of synthetic weights are
    chance.
    """
    found, lost = {}, {}
    for case in played.cases:
        if case in played.fails and played.has("base", case) and not played.broken("base", case):
            found[case] = Verdict(case, "DRIFTED", f"it fails here: {played.fails[case]}")
        if not all(played.has(side, case) for side in SIDES) or played.broken("base", case):
            continue
        base, head = (played.prepared[side][case] for side in SIDES)
        if played.broken("head", case):
            why = f"head's predictions are wrong: {head['agreement']['sentence']}"
            found[case] = Verdict(case, "DRIFTED", why)
        elif (
            head["agreement"]["claimed"]
            and base["predictions"]["ids"] == head["predictions"]["ids"]
        ):
            lost[case] = _flips(base["predictions"], head)
    sentences = drifted(lost).items()
    return found | {case: Verdict(case, "DRIFTED", why) for case, why in sentences}


def _flips(base: Mapping[str, Any], head: Mapping[str, Any]) -> Flips:
    triples = list(zip(base["truth"], base["top1"], head["predictions"]["top1"], strict=True))
    agreement = head["agreement"]
    return Flips(
        images=len(triples),
        lost=sum(then == true != now for true, then, now in triples),
        gained=sum(now == true != then for true, then, now in triples),
        worth=min(1.0, agreement["effective_images"] / agreement["images"]),
    )


def with_operators(
    verdict: Verdict, base: Sequence[Mapping[str, Any]], head: Sequence[Mapping[str, Any]]
) -> Verdict:
    """The verdict, whose sentence names the operators that grew most from base to head."""
    grown = grown_operators(base, head)
    if not grown:
        return replace(verdict, figures={**verdict.figures, "operators": []})
    words = ", ".join(
        f"{name} {after * 1e3:.3g} ms (was {before * 1e3:.3g})" for name, before, after in grown
    )
    rows = [{"name": n, "base_seconds": b, "head_seconds": h} for n, b, h in grown]
    return replace(
        verdict,
        sentence=f"{verdict.sentence}. Operators that grew: {words}",
        figures={**verdict.figures, "operators": rows},
    )


def grown_operators(
    base: Sequence[Mapping[str, Any]], head: Sequence[Mapping[str, Any]], most: int = 3
) -> list[tuple[str, float, float]]:
    """Name, seconds in base, seconds in head of the operators that grew most, at least a twentieth
    of all growth each. One that is new had 0 seconds."""
    seconds = [{row["name"]: row["seconds"] for row in rows} for rows in (base, head)]
    growth = {name: after - seconds[0].get(name, 0.0) for name, after in seconds[1].items()}
    total = sum(value for value in growth.values() if value > 0)
    names = sorted(growth, key=lambda name: -growth[name])[:most]
    return [
        (name, seconds[0].get(name, 0.0), seconds[1][name])
        for name in names
        if growth[name] > 0 and growth[name] >= total / 20
    ]
