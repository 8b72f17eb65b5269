"""Whether what answers under load is what was verified: MLPerf's TEST01."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.errors import WrongOutputs
from vitbench.heads import HEADS, Pair
from vitbench.measure.outputs import NEAR, SINGLE, Reading, beyond, unequal, unusable

Outputs = NDArray[np.float32]


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
