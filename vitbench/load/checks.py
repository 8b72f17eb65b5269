"""Whether what answers under load is what was verified: MLPerf's TEST01 and TEST04."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.errors import WrongOutputs
from vitbench.heads import HEADS, Pair
from vitbench.measure.outputs import NEAR, SINGLE, Reading, beyond, unequal, unusable

Outputs = NDArray[np.float32]

FASTER = 1.10
"""A repeated image may be answered so many times as fast as new ones, as in MLPerf's TEST04."""
IN_A_ROW = 4
LOOKS = 3


@dataclass(frozen=True)
class OutputCheck:
    """Compares answers of serving processes with `verified`, (N, C), those of the verified
    deployment to the samples, one a call. `name` is what a person knows the case by."""

    name: str
    verified: Outputs
    limits: Limits
    reading: Reading = SINGLE

    def own(self, answers: Outputs, who: str) -> None:
        """A process's answers (N, C) to all samples before anything is timed. Another number of
        threads rounds otherwise, so they must be within the limits, image by image. Raises
        WrongOutputs where they are not."""
        problem = unusable(answers, self.verified.shape)
        self._refuse(f"of {who} before its runs", problem or self._beyond(answers, self.verified))

    def timed(
        self, samples: Sequence[int], outputs: Outputs, own: Iterable[Outputs], alone: bool
    ) -> int:
        """Outputs (M, C) of timed calls on `samples`. Where each had a call of its own (`alone`)
        they must be to the bit what a process answered before (`own`), unless `own` has two answers
        for one process that differ; else within the limits. Returns M. Raises WrongOutputs."""
        if not len(samples):
            return 0
        expected = self.verified[list(samples)]
        problem = unusable(outputs, expected.shape)
        if not problem and alone:
            known = [each[list(samples)] for each in own]
            for row in range(len(samples)):
                if any(outputs[row].tobytes() == each[row].tobytes() for each in known):
                    continue
                problem = unequal(self._pair(outputs, known[0]), HEADS[self.reading.head])
                break
        elif not problem:
            problem = self._beyond(outputs, expected)
        self._refuse("of timed calls", problem)
        return len(samples)

    def _beyond(self, answers: Outputs, verified: Outputs) -> str | None:
        """What is outside of the limits. Answers that differ no more than the usual image's may
        decide a near call otherwise."""
        pair = self._pair(answers, verified)
        usual = float(np.median(np.abs(pair.own - pair.reference).max(axis=1)))
        size = float(np.sqrt(np.square(pair.reference).mean()))
        reach = min(usual, self.limits.relative_error * size / NEAR)
        return beyond(pair, HEADS[self.reading.head], self.limits, reach)

    def _pair(self, own: Outputs, verified: Outputs) -> Pair:
        frame = self.reading.frame(self.verified)
        return Pair(own.astype(np.float64), verified.astype(np.float64), frame)

    def _refuse(self, whose: str, problem: str | None) -> None:
        if problem:
            raise WrongOutputs(
                f"{self.name}: the outputs {whose} under load are not those that were verified: "
                f"{problem}. No figure of it is kept"
            )


@dataclass(frozen=True)
class Repeated:
    """Seconds of a call on one image over and over, and on images never seen before: those that a
    quarter of the calls keep within, which other programs of the machine disturb least."""

    repeated_seconds: float
    new_seconds: float
    calls: int

    @property
    def speedup(self) -> float:
        return self.new_seconds / self.repeated_seconds


def repeated_image(
    name: str, ask: Callable[[Sequence[int]], list[float]], known: int, new: Sequence[int]
) -> Repeated:
    """Whether a server remembers images: MLPerf's TEST04.

    `ask` returns the seconds of calls on samples; `known` is sent again and again, in turns with
    `new` ones, a few of each in a row, of which the first does not count. They are asked in three
    parts, the next one where the server seems to remember: noise does so rarely three times in a
    row. Raises WrongOutputs.
    """
    found = Repeated(1.0, 1.0, 0)
    for part in np.array_split(np.asarray(new), LOOKS):
        repeated: list[float] = []
        others: list[float] = []
        for start in range(0, len(part), IN_A_ROW):
            row = [int(each) for each in part[start : start + IN_A_ROW]]
            repeated += ask([known] * len(row))[min(1, len(row) - 1) :]
            others += ask(row)[min(1, len(row) - 1) :]
        found = Repeated(_quick(repeated), _quick(others), len(others))
        if found.speedup <= FASTER:
            return found
    raise WrongOutputs(
        f"{name}: one image over and over is answered {found.speedup:.2f} times as fast as images "
        f"that it never saw ({1000 * found.repeated_seconds:.3g} ms against "
        f"{1000 * found.new_seconds:.3g} ms, at most {FASTER:g} times is allowed): something "
        "remembers results, so no figure of it is kept"
    )


def _quick(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 25))
