"""Rounds in which a case and its reference take turns, for pytest-benchmark's `pedantic`."""

from collections.abc import Collection
from contextlib import ExitStack
from typing import Any, TypeAlias

from vitbench.measure.clock import BusyClock
from vitbench.measure.outputs import Witness
from vitbench.runtimes.base import Deployment

Turn: TypeAlias = tuple[Deployment, Any]
"""A deployment and the staged images that it is called on."""


class PairedRounds:
    """`pedantic(pairs, setup=pairs.setup, teardown=pairs.teardown, rounds=...)`, then `close()`.

    A round is a pair: the case, which is the target, and the reference, which has its turn in
    `setup` in even rounds and in `teardown` in odd ones (ABBA: a steady drift of the machine
    cancels). Every timed call directly follows another call of the same deployment: the last timed
    one, or else an untimed one. All happen inside its `active()`. `reference_seconds` has one entry
    a round; the case's seconds are what `clock` advances by during the target.

    The `witnesses` of case and reference, if any, compare their outputs in `warm_up` and in the
    rounds that `draw` is given. An output is read when the clock has stopped, and dropped at once;
    as reading takes the caches, the next timed call then follows an untimed one.
    """

    __name__ = "vitbench.PairedRounds"

    def __init__(
        self,
        case: Turn,
        reference: Turn,
        clock: BusyClock,
        witnesses: tuple[Witness, Witness] | None = None,
    ) -> None:
        self.reference_seconds: list[float] = []
        self.clock = clock
        self._case, self._reference = case, reference
        self._witness = dict(zip(("case", "reference"), witnesses or (), strict=False))
        self._drawn: Collection[int] = ()
        self._rounds = self._round = 0
        self._last: Turn | None = None
        self._active = ExitStack()

    def setup(self) -> None:
        """The reference's turn in even rounds; then the case made active and warm."""
        if self._round % 2 == 0:
            self._reference_turn()
        with ExitStack() as stack:
            stack.enter_context(self._case[0].active())
            self._warm(self._case)
            self._active = stack.pop_all()

    def __call__(self) -> None:
        """The case's timed call."""
        try:
            self._look("case", self._case[0], self.clock.call(*self._case)[0])
        except BaseException:
            self.close()
            raise

    def teardown(self) -> None:
        """The case made inactive; then the reference's turn in odd rounds."""
        self.close()
        if self._round % 2:
            self._reference_turn()
        self._round += 1

    def close(self) -> None:
        """Leave the case's active state. Harmless where it was left already."""
        self._active.close()

    def warm_up(self, calls: int = 3, enough_seconds: float = 1.0) -> float:
        """Call both `calls` times, or twice where the second call takes `enough_seconds`.

        Returns the estimated busy seconds of one whole round: three calls for every two timed ones.
        Raises UserError where a witness sees other outputs than were verified.
        """
        seconds = 0.0
        for who, (deployment, staged) in (("case", self._case), ("reference", self._reference)):
            taken: list[float] = []
            witness, answers = self._witness.get(who), []
            with deployment.active():
                while len(taken) < calls and (len(taken) < 2 or sum(taken[1:]) < enough_seconds):
                    output, call_seconds = self.clock.call(deployment, staged)
                    taken.append(call_seconds)
                    if witness:
                        answers.append(deployment.read(output))
            if witness:
                witness.begin(answers)
            seconds += min(taken)  # the first call may have compiled
        return 1.5 * seconds

    def draw(self, drawn: Collection[int], rounds: int) -> None:
        """Which of so many rounds, from 0, the witnesses look at."""
        self._drawn, self._rounds = drawn, rounds

    @staticmethod
    def rounds_for(seconds: float, round_seconds: float, least: int, most: int = 2000) -> int:
        """How many rounds fill `seconds`: within `least` and `most`, then up to an even number."""
        fitting = seconds / round_seconds if round_seconds > 0 else float("inf")
        rounds = max(least, int(min(most, fitting)))
        return rounds + rounds % 2

    def _reference_turn(self) -> None:
        deployment, staged = self._reference
        with deployment.active():
            self._warm(self._reference)
            output, seconds = self.clock.call(deployment, staged)
            self.reference_seconds.append(seconds)
            self._look("reference", deployment, output)

    def _look(self, who: str, deployment: Deployment, output: Any) -> None:
        """Compare the output of a timed call, if its round was drawn."""
        if self._round in self._drawn and who in self._witness:
            answer = deployment.read(output)
            self._last = None
            self._witness[who].see(answer, f"in round {self._round + 1} of {self._rounds}")

    def _warm(self, turn: Turn) -> None:
        """An untimed call, unless this turn's timed call was the last call of all."""
        if self._last is not turn:
            deployment, staged = turn
            deployment(staged)
            deployment.synchronize()
        self._last = turn
