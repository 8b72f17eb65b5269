"""Base and head side by side: prepared, then timed in blocks of fresh processes until decided."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vitbench.build.locks import Leases
from vitbench.case import Case
from vitbench.duet.arms import Arms
from vitbench.duet.base.lacking import incomparable
from vitbench.duet.base.missing_file import missing_in_base
from vitbench.duet.base.prepare import prepare_by
from vitbench.duet.base.side import Side
from vitbench.duet.base.tree_digest import edited, tracked_files
from vitbench.duet.block import Block
from vitbench.duet.block_verdicts import decided, judge_blocks
from vitbench.duet.contents.identical import find_identical
from vitbench.duet.conversation import Conversation
from vitbench.duet.play_case import HeadAnswersOtherwise, play_case
from vitbench.duet.profiling import explain_slower
from vitbench.duet.progress import Progress
from vitbench.duet.rule import Rule
from vitbench.duet.structures import compare_structures, with_structure
from vitbench.duet.turns import ARMS
from vitbench.duet.verdicts import Played, conclude
from vitbench.errors import Incomparable, Unavailable, UserError, WorkerFailed, some
from vitbench.judge.verdict import NOTHING, Verdict
from vitbench.measure.options import Options
from vitbench.measure.outputs import added
from vitbench.measure.timing_lock import timing_alone

TURN_SECONDS = 120.0
VERIFY_SECONDS = 3600.0


def _limit(minutes: float) -> str:
    rounded = f"{minutes:.1f}".removesuffix(".0")
    return f"the {rounded} minute{'' if rounded == '1' else 's'} of --minutes"


class Duet:
    """Two sides and the cases they play. `say` receives a line whenever something long begins.
    Without `explain`, no structures are compared; without `profile`, no operators of slower cases.
    With `shortcut`, cases are not timed whose contents are the same on both sides."""

    def __init__(
        self,
        sides: Mapping[str, Side],
        options: Options,
        say: Callable[[str], None] = lambda _: None,
        turn_seconds: float = TURN_SECONDS,
        explain: bool = True,
        shortcut: bool = False,
        profile: bool = True,
    ) -> None:
        self.sides = sides
        self.options = options
        self.say = say
        self.turn_seconds = turn_seconds
        self.explain = explain
        self.shortcut = shortcut
        self.profile = profile
        self.progress = Progress()
        self.arms = Arms(sides, self.progress.versions)
        self._leases = Leases()  # of artifacts: who prepared one ends before others load it

    def run(
        self,
        cases: Sequence[Case],
        rule: Rule,
        minutes: float,
        after: Callable[[Progress], None] = lambda _: None,
    ) -> list[Verdict]:
        """Prepare all cases, then play blocks until each is decided or the rule or time ends it.

        `after` is called after every block. Returns a verdict for every case; where one is SLOWER,
        its sentence says where the time is, if the runtime can profile. Where base is the
        same as head, each is INCOMPARABLE. Raises UserError where the sides cannot be compared.
        """
        base = self.sides["base"]
        for note in base.notes:
            self.say(note)
        if base.same:
            why = f"{NOTHING}: {base.same}"
            return [Verdict(case.id, "INCOMPARABLE", why) for case in cases]
        before = tracked_files(self.sides["head"].tree)
        with tempfile.TemporaryDirectory(prefix="vitbench-duet-") as folder:
            self.prepare(cases, Path(folder))
            if self.shortcut or base.trees:
                played, say = self.played(cases), self.say
                arms, progress = self.arms.several, self.progress
                find_identical(played, self.sides, arms, progress, say, self.shortcut)
            if self.explain:
                compare_structures(self.arms.one, cases, self.progress, self.say)
            deadline = time.monotonic() + minutes * 60
            number, longest, left = 0, 0.0, self.open_cases(cases, rule)
            while left and number < rule.planned:
                if number and time.monotonic() + longest > deadline:
                    self.say(f"no more blocks: another one would end after {_limit(minutes)}")
                    break
                try:
                    taken, waited = self.alone(number, left)
                except WorkerFailed as reason:
                    if not number:
                        raise
                    self.say(f"no more blocks: {reason}")  # the finished ones are judged
                    break
                number, longest, deadline = number + 1, max(longest, taken), deadline + waited
                after(self.progress)
                left = self.open_cases(cases, rule)
                few = f"{len(left)} case{'' if len(left) == 1 else 's'}"
                self.say(f"block {number} of at most {rule.planned}: {few} undecided")
            found = self._verdicts(cases, rule)  # the operators' images lie in the folder
        if names := edited(self.sides["head"].tree, before):
            self.progress.notes.append(
                f"head's files were edited while the duet ran ({some(names)}): what it says may be "
                "of neither state: run it again"
            )
        return found

    def open_cases(self, cases: Sequence[Case], rule: Rule) -> list[Case]:
        """The cases that both sides have and that are not decided yet."""
        played = self.played(cases)
        verdicts = judge_blocks(played.judged, rule)
        timed = [case for case in cases if played.timed(case.id)]
        return [case for case in timed if not decided(verdicts[case.id])]

    def played(self, cases: Sequence[Case]) -> Played:
        """What is known by now, as the judge takes it."""
        known = self.progress
        names = [case.id for case in cases]
        return Played(
            names,
            known.prepared,
            known.unavailable,
            known.stopped,
            known.blocks,
            known.head_failures,
            known.incomparable,
            identical=known.identical,
        )

    def _verdicts(self, cases: Sequence[Case], rule: Rule) -> list[Verdict]:
        found = conclude(self.played(cases), rule)
        if not self.explain:
            return found
        found = [with_structure(verdict, self.progress) for verdict in found]
        if not self.profile:
            return found
        return explain_slower(found, self._loads, self.arms.one, self.say)

    def _loads(self, case: str) -> dict[str, dict[str, Any]]:
        """What each arm needs to load a prepared case."""
        prepared = self.progress.prepared
        return {arm: prepared["base" if arm == "null" else arm][case]["load"] for arm in ARMS}

    def prepare(self, cases: Sequence[Case], folder: Path) -> None:
        """Build and verify every case on both sides, and fill `progress`.

        A case that a side cannot run goes into `unavailable`. A case that base cannot build goes
        into `incomparable`, one that its worker fails at into `stopped`, a case that head fails at
        into `head_failures`. The other cases go on.
        """
        seconds = self.options.build_seconds + VERIFY_SECONDS
        self.progress.incomparable |= incomparable(cases, self.sides)
        for side in ("base", "head"):
            mine = folder / side
            mine.mkdir()
            options = self.sides[side].options or self.options
            left = self._known(side, cases)
            while left:
                with self.arms.one(side, options) as arm:
                    left = prepare_by(
                        arm, side, left, mine, seconds, self.progress, self._leases, self.say,
                        self.sides[side].trees, self._hint,
                    )  # fmt: skip

    def _hint(self, error: str) -> str:
        return missing_in_base(error, self.sides["base"], self.sides["head"])

    def _known(self, side: str, cases: Sequence[Case]) -> list[Case]:
        """The cases that can be compared and whose model a side has. The others of these go into
        `unavailable`."""
        cases = [case for case in cases if case.id not in self.progress.incomparable]
        options = self.sides[side].options
        if options is None:
            return list(cases)
        names = {spec.name for spec in options.models}
        for case in cases:
            if case.model not in names:
                why = f"{side} has no model {case.model!r}"
                self.progress.unavailable[side][case.id] = why
        return [case for case in cases if case.model in names]

    def alone(self, number: int, cases: Sequence[Case]) -> tuple[float, float]:
        """A block while nothing else is timed here. Returns the seconds that it took, and those
        that were waited for others before it: they are no time of this duet's."""
        with timing_alone(self.say) as waited:
            self.progress.waited_seconds += waited
            began = time.monotonic()
            self.block(number, cases)
            return time.monotonic() - began, waited

    def block(self, number: int, cases: Sequence[Case]) -> None:
        """One block: fresh workers, every case once, in an order that rotates from block to block.

        A case whose worker dies goes into `stopped`, and a new worker goes on with the other cases.
        """
        turned = [*cases[number % len(cases) :], *cases[: number % len(cases)]]
        names = [*ARMS[number % len(ARMS) :], *ARMS[: number % len(ARMS)]]
        with ExitStack() as stack:
            arms = stack.enter_context(self.arms.several(names))
            for case in turned:
                try:
                    block = self._play(number, case, arms)
                    self.progress.blocks.setdefault(case.id, []).append(block)
                except (Unavailable, UserError, WorkerFailed) as reason:
                    told = f"block {number + 1}: {reason}"
                    if isinstance(reason, Incomparable):
                        self.progress.incomparable[case.id] = str(reason)
                        continue
                    self.progress.stopped[case.id] = told
                    if isinstance(reason, HeadAnswersOtherwise):
                        self.progress.head_failures[case.id] = told
                    for name, arm in arms.items():
                        if arm.closed:
                            arms[name] = stack.enter_context(self.arms.one(name))

    def _play(self, number: int, case: Case, arms: Mapping[str, Conversation]) -> Block:
        """One case in every arm; what was compared of its outputs goes into `progress`."""
        units, known = self.progress.units.get(case.id, 0), self._loads(case.id)
        loads = {
            name: {
                "verb": "load",
                **known[name],
                "seed": number,
                "extra": units if name == "head" else 0,
            }
            for name in arms
        }
        block, outputs = play_case(number, loads, arms, self.options.seconds, self.turn_seconds)
        for name, compared in outputs.items():
            known = self.progress.outputs.setdefault(case.id, {})
            known[name] = added(compared, known.get(name))
        return block
