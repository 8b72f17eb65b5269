"""A duet's verdicts: what could be compared at all, whether predictions drifted, then the times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from vitbench.duet.block import Block
from vitbench.duet.block_verdicts import judge_blocks
from vitbench.duet.rule import Rule
from vitbench.heads import SINGLE_LABEL
from vitbench.judge.drift import (
    CHANGED,
    OTHER,
    PREPROCESSING,
    SAME_PIXELS,
    UNKNOWN,
    Answers,
    Comparison,
    Drift,
    compare_answers,
    drift_of,
)
from vitbench.judge.verdict import Verdict

SIDES = ("base", "head")


@dataclass(frozen=True)
class Played:
    """What a duet knows of its cases, by case id.

    `prepared`: by side, what an arm answered to `prepare` (agreement, predictions, artifact).
    `unavailable`: by side, why that side cannot run a case. `stopped`: why a case has no more
    blocks. `head_failures`: the error of head, where head failed to build, to verify or to answer.
    `incomparable`: why a case must not be compared, whatever the sides answer.
    `identical`: the verdicts of the cases that need no timing: their contents are the same.
    """

    cases: Sequence[str]
    prepared: Mapping[str, Mapping[str, Mapping[str, Any]]]
    unavailable: Mapping[str, Mapping[str, str]]
    stopped: Mapping[str, str]
    blocks: Mapping[str, Sequence[Block]]
    head_failures: Mapping[str, str] = field(default_factory=dict)
    incomparable: Mapping[str, str] = field(default_factory=dict)
    identical: Mapping[str, Verdict] = field(default_factory=dict)

    def broken(self, side: str, case: str) -> bool:
        return bool(self.prepared[side][case]["agreement"]["state"] == "BROKEN")

    def has(self, side: str, case: str) -> bool:
        return case in self.prepared[side]

    def other_head(self, case: str) -> str:
        """How base and head read the outputs otherwise, in words; "" where they do not."""
        if not all(self.has(side, case) for side in SIDES):
            return ""
        base, head = (head_of(self.prepared[side][case]) for side in SIDES)
        return f"the head of the model is {base} in base and {head} in head" * (base != head)

    def comparable(self, case: str) -> bool:
        """Whether its times say something: both sides have it, and head predicts what base does."""
        return (
            all(self.has(side, case) for side in SIDES)
            and case not in self.incomparable
            and not self.other_head(case)
            and not self.broken("base", case)
            and case not in self.drifted
        )

    def timed(self, case: str) -> bool:
        """Whether it is to be timed: comparable, not identical, and no block of it failed."""
        done = case in self.stopped or case in self.identical
        return self.comparable(case) and not done

    @property
    def judged(self) -> dict[str, Sequence[Block]]:
        """The blocks of the comparable cases; a case that stopped has those finished before."""
        cases = [c for c in self.cases if self.comparable(c) and c not in self.identical]
        found = {c: self.blocks.get(c, []) for c in cases}
        return {c: blocks for c, blocks in found.items() if blocks or c not in self.stopped}

    @cached_property
    def drifted(self) -> dict[str, Verdict]:
        """The verdicts of the cases whose predictions changed for the worse."""
        return _drifted(self)

    @cached_property
    def compared(self) -> dict[str, Comparison]:
        """The predictions of the cases that both sides have and that break no limits."""
        sound = [
            case
            for case in self.cases
            if all(self.has(side, case) and not self.broken(side, case) for side in SIDES)
            and not self.other_head(case)
            and case not in self.incomparable
        ]
        return {case: _compared(*(self.prepared[side][case] for side in SIDES)) for case in sound}


def conclude(played: Played, rule: Rule) -> list[Verdict]:
    """A verdict for every case, in their order."""
    timed = judge_blocks(played.judged, rule)
    drift = drift_of(played.compared, "base")
    timed = {case: _seen(verdict, played, drift) for case, verdict in timed.items()}
    found = [
        played.identical.get(case)
        or played.drifted.get(case)
        or _stopped(case, played, timed)
        or _untimed(case, played)
        for case in played.cases
    ]
    for add in (_with_weights, _with_transforms, _with_images):
        found = [add(verdict, played) for verdict in found]
    return found


def _with_images(verdict: Verdict, played: Played) -> Verdict:
    """The verdict with the count of images on which the predictions of both sides were compared."""
    found = played.compared.get(verdict.case)
    if found is None or not found.images:
        return verdict
    return replace(verdict, figures={**verdict.figures, "images": found.images})


def _with_weights(verdict: Verdict, played: Played) -> Verdict:
    """The verdict, whose sentence says that the sides have other weights."""
    then, now = (played.prepared[side].get(verdict.case, {}).get("weights") for side in SIDES)
    if not then or not now or then == now:
        return verdict
    words = f"The weights differ: sha256 {then[:12]} in base, {now[:12]} in head"
    return replace(verdict, sentence=f"{verdict.sentence}. {words}")


def _with_transforms(verdict: Verdict, played: Played) -> Verdict:
    """The verdict, whose sentence names a change of the recipe of the user's own."""
    then, now = (
        played.prepared[side].get(verdict.case, {}).get("artifact", {}).get("transform")
        for side in SIDES
    )
    if then is None or now is None or then == now:
        return verdict
    words = (
        f"The source of the transform differs: {then['function']}, sha256 {then['sha256'][:12]}, "
        f"in base, and {now['function']}, sha256 {now['sha256'][:12]}, in head"
    )
    return replace(verdict, sentence=f"{verdict.sentence}. {words}")


def _seen(verdict: Verdict, played: Played, drift: Drift) -> Verdict:
    """The verdict of times, which is neither SAME nor FASTER where other pixels reach the model and
    predictions differ; and whether they could be compared at all."""
    found = played.compared[verdict.case]
    if words := drift.doubtful.get(verdict.case):
        state = "INCONCLUSIVE" if verdict.state in ("SAME", "FASTER") else verdict.state
        return replace(verdict, state=state, sentence=f"{words}; {verdict.sentence}")
    if found.pixels == OTHER:
        words = "predictions are not compared: base and head were verified on different images"
    elif why := CHANGED.get(found.pixels):
        words = f"{why}; all {found.images} images have the same {found.noun} as before"
    return replace(verdict, sentence=f"{verdict.sentence}. {words}") if words else verdict


def _stopped(case: str, played: Played, timed: Mapping[str, Verdict]) -> Verdict | None:
    """The verdict of the finished blocks, if any. Where a block failed, SLOWER and FASTER remain,
    and SAME becomes INCONCLUSIVE: a case that crashes now and then is not the same."""
    verdict, reason = timed.get(case), played.stopped.get(case)
    if verdict is None or reason is None:
        return verdict
    state = "INCONCLUSIVE" if verdict.state == "SAME" else verdict.state
    return replace(verdict, state=state, sentence=f"{verdict.sentence}. No more blocks: {reason}")


def _untimed(case: str, played: Played) -> Verdict:
    unavailable = {side: played.unavailable[side].get(case) for side in SIDES}
    if case in played.incomparable:
        return Verdict(case, "INCOMPARABLE", played.incomparable[case])
    if case in played.stopped:
        return Verdict(case, "INCONCLUSIVE", played.stopped[case], figures={"blocks": 0})
    if unavailable["base"] and case in played.head_failures:
        state, why = (
            "INCOMPARABLE",
            f"base cannot run this case, and head fails at it: {played.head_failures[case]}",
        )
    elif unavailable["base"] and unavailable["head"]:
        state, why = "INCOMPARABLE", f"neither side can run this case: {unavailable['head']}"
    elif unavailable["base"]:
        state, why = "NEW", f"head can run this case, base cannot: {unavailable['base']}"
    elif unavailable["head"]:
        state, why = "MISSING", f"base can run this case, head cannot: {unavailable['head']}"
    elif other := played.other_head(case):
        state, why = "INCOMPARABLE", f"predictions and times are not compared: {other}"
    else:
        sentence = played.prepared["base"][case]["agreement"]["sentence"]
        state, why = "INCOMPARABLE", f"the predictions of base are wrong: {sentence}"
    return Verdict(case, state, why)


def _drifted(played: Played) -> dict[str, Verdict]:
    """The cases whose predictions changed for the worse.

    Head fails at it or its limits are BROKEN, and base's is not; or head agrees with base's fp32
    on fewer of the same images than base does (`drift.drifted`). Flips of synthetic weights are
    chance.
    """
    found = {}
    for case in played.cases:
        if case in played.incomparable:
            continue
        if (
            case in played.head_failures
            and played.has("base", case)
            and not played.broken("base", case)
        ):
            found[case] = Verdict(case, "DRIFTED", f"head fails: {played.head_failures[case]}")
        if not all(played.has(side, case) for side in SIDES) or played.broken("base", case):
            continue
        if played.other_head(case):
            continue
        if played.broken("head", case):
            sentence = played.prepared["head"][case]["agreement"]["sentence"]
            why = f"the predictions of head are wrong: {sentence}"
            found[case] = Verdict(case, "DRIFTED", why)
    sentences = drift_of(played.compared, "base").drifted.items()
    return found | {case: Verdict(case, "DRIFTED", why) for case, why in sentences}


def _compared(base: Mapping[str, Any], head: Mapping[str, Any]) -> Comparison:
    """Head's answers beside base's; the truth is what base's fp32 answered."""
    then, now = base["predictions"], head["predictions"]
    pixels = _pixels(then, now)
    if pixels == OTHER:
        return Comparison(OTHER)
    agreement, worth = head["agreement"], None
    if agreement["claimed"] and agreement["images"]:
        worth = min(1.0, agreement["effective_images"] / agreement["images"])
    of, truth, new = (
        dict(zip(then["ids"], each, strict=False))
        for each in (then["top1"], then["truth"], now["top1"])
    )
    known = Answers(of, head_of(base), then.get("tolerance", ()))
    return compare_answers(new, known, truth, pixels, worth)


def head_of(prepared: Mapping[str, Any]) -> str:
    """By which head a side reads a case. An arm of an older vitbench knows one alone."""
    return str(prepared["agreement"].get("head", SINGLE_LABEL))


def _pixels(base: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """An arm of an older vitbench does not know the digest of its files."""
    if base["ids"] != head["ids"]:
        return OTHER
    if base.get("sample") == head.get("sample"):
        return SAME_PIXELS
    files = base.get("files"), head.get("files")
    if None in files:
        return UNKNOWN
    return PREPROCESSING if files[0] == files[1] else OTHER
