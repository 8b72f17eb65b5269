"""One arm against the mean of two others that are alike, in rounds that all three share."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Contrast:
    """How much greater an arm is than the mean of the two others, with its error."""

    mean: float
    standard_error: float
    degrees: int

    @classmethod
    def of(cls, arm: ArrayLike, one: ArrayLike, other: ArrayLike) -> "Contrast":
        """Of values a round, (n,) each; `one` and `other` are of the same kind.

        The error is that of an analysis of variance of arms and rounds: what all arms of a round
        share is no noise, and the three arms are taken to be equally noisy, as they are where
        nothing changed. With fewer than two rounds it is infinite.
        Source: Fisher, The Design of Experiments (1935): randomised blocks.
        """
        values = np.array([arm, one, other], dtype=float)
        rounds = values.shape[1]
        mean = float(values[0].mean() - values[1:].mean())
        if rounds < 2:
            return cls(mean, math.inf, 0)
        rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        degrees = 2 * (rounds - 1)
        variance = float(np.sum(rest**2)) / degrees
        return cls(mean, math.sqrt(1.5 * variance / rounds), degrees)

    def p_not_greater(self) -> float:
        """One-sided p-value of that the arm is not greater, by Student's t."""
        from scipy.special import stdtr

        if not math.isfinite(self.standard_error):
            return 1.0
        if self.standard_error <= 0:
            return 0.0 if self.mean > 0 else 1.0
        return float(stdtr(self.degrees, -self.mean / self.standard_error))

    def bounds(self, level: float) -> tuple[float, float]:
        """Lower and upper bound of the mean, each one-sided at `level` (0.05: a 90 % interval)."""
        from scipy.special import stdtrit

        if not math.isfinite(self.standard_error):
            return -math.inf, math.inf
        margin = float(-stdtrit(self.degrees, level)) * self.standard_error
        return self.mean - margin, self.mean + margin
