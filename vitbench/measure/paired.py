"""Rounds in which a case and its reference take turns, for pytest-benchmark's `pedantic`."""

from contextlib import ExitStack
from statistics import median
from typing import Any, TypeAlias

from vitbench.measure.clock import BusyClock
from vitbench.runtimes.base import Deployment

Turn: TypeAlias = tuple[Deployment, Any]
"""A deployment and the staged images that it is called on."""


class PairedRounds:
    """`pedantic(pairs, setup=pairs.setup, teardown=pairs.teardown, rounds=...)`, then `close()`.

    A round is a pair: the case, which is the target, and the reference, which has its turn in
    `setup` in even rounds and in `teardown` in odd ones (ABBA: a steady drift of the machine
    cancels). Every timed call follows an untimed call of the same deployment, inside its
    `active()`. `reference_seconds` has one entry a round; the case's seconds are what `clock`
    advances by during the target.
    """

    __name__ = "vitbench.PairedRounds"

    def __init__(self, case: Turn, reference: Turn, clock: BusyClock) -> None:
        self.reference_seconds: list[float] = []
        self._case, self._reference, self._clock = case, reference, clock
        self._round = 0
        self._active = ExitStack()

    def setup(self) -> None:
        """The reference's turn in even rounds; then the case made active and called untimed."""
        if self._round % 2 == 0:
            self._reference_turn()
        deployment, staged = self._case
        with ExitStack() as stack:
            stack.enter_context(deployment.active())
            _untimed(deployment, staged)
            self._active = stack.pop_all()

    def __call__(self) -> None:
        """The case's timed call."""
        try:
            self._clock.call(*self._case)
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

    def warm_up(self, calls: int = 3) -> float:
        """Call both `calls` times. Returns the estimated busy seconds of one whole round."""
        seconds = 0.0
        for deployment, staged in (self._case, self._reference):
            with deployment.active():
                seconds += median(self._clock.call(deployment, staged)[1] for _ in range(calls))
        return 2 * seconds

    @staticmethod
    def rounds_for(seconds: float, round_seconds: float, least: int, most: int = 2000) -> int:
        """How many rounds fill `seconds`: within `least` and `most`, then up to an even number."""
        fitting = seconds / round_seconds if round_seconds > 0 else float("inf")
        rounds = max(least, int(min(most, fitting)))
        return rounds + rounds % 2

    def _reference_turn(self) -> None:
        deployment, staged = self._reference
        with deployment.active():
            _untimed(deployment, staged)
            self.reference_seconds.append(self._clock.call(deployment, staged)[1])


def _untimed(deployment: Deployment, staged: Any) -> None:
    deployment(staged)
    deployment.synchronize()
