"""Tests that may look after every block: boundaries, and Holm's procedure over cases."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NOTHING = 10.0  # a log ratio of 10 is a factor of 22,000: an interval so wide says nothing
_GRID = 1201  # points of the numerical integration; doubling it moves no boundary by 1e-3
_NO_DOUBT: Mapping[str, float] = MappingProxyType({})
TRIMMED = 0.2
"""Of the blocks at either end: a neighbour's burst spoils a whole block now and then."""


@dataclass(frozen=True)
class Blocks:
    """What the blocks so far say of one log ratio: how many, their trimmed mean, its error."""

    count: int
    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: ArrayLike) -> "Blocks":
        """Of one log ratio a block, (k,). With fewer than two, the standard error is infinite.

        The mean without the fifth of the blocks at either end, and its error from the variance
        with those set to the outermost that are left; with fewer than five, the plain mean.
        Source: Tukey and McLaughlin, Sankhya A 25 (1963); Yuen, Biometrika 61 (1974).
        """
        logs = np.sort(np.asarray(values, dtype=float))
        count = len(logs)
        if count < 2:
            return cls(count, float(logs.mean()) if count else 0.0, math.inf)
        cut, kept = cut_off(count), count - 2 * cut_off(count)
        middle = logs[cut : count - cut]
        squares = float(np.clip(logs, middle[0], middle[-1]).var() * count)
        return cls(count, float(middle.mean()), math.sqrt(squares / (kept * (kept - 1))))

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the error."""
        return self.count - 2 * cut_off(self.count) - 1

    @property
    def sd(self) -> float | None:
        """From block to block, as the error has it; None with fewer than two."""
        return self.standard_error * math.sqrt(self.count) if self.count > 1 else None

    def margin(self, planned: int, alpha: float) -> float:
        """Half-width of the repeated confidence interval, each side at `alpha` over all looks.

        Looks are taken after each of `planned` blocks. The normal boundary is turned into its
        nominal level, and that into a quantile of Student's t over the blocks that are kept.
        Source: Jennison and Turnbull, JRSS B 51 (1989), and Group Sequential Methods (2000), 3.8.
        """
        from scipy.special import stdtrit

        if self.count < 2 or not math.isfinite(self.standard_error):
            return math.inf
        level = nominal_levels(planned, alpha)[min(self.count, planned) - 1]
        if level <= 0:
            return math.inf
        margin = float(-stdtrit(self.degrees, level)) * self.standard_error
        return margin if margin < _NOTHING else math.inf


def cut_off(count: int) -> int:
    """How many blocks are cut off at either end."""
    return int(TRIMMED * count)


@lru_cache(maxsize=256)
def nominal_levels(looks: int, alpha: float) -> tuple[float, ...]:
    """One-sided levels of `looks` equally spaced looks whose error adds up to `alpha`.

    Lan and DeMets' spending function of O'Brien and Fleming's kind, alpha*(t) = 2 - 2
    Phi(z / sqrt(t)) with z the 1 - alpha / 2 quantile; boundaries by recursive integration of
    the normal process (Armitage, McPherson and Rowe, JRSS A 132, 1969). The first look may
    spend nothing: its level is then 0.
    Source: Lan and DeMets, Biometrika 70 (1983); O'Brien and Fleming, Biometrics 35 (1979).
    """
    from scipy.special import ndtr, ndtri

    critical = float(ndtri(1 - alpha / 2))
    spent, levels = 0.0, []
    sums: NDArray[np.float64] | None = None  # grid of the running sum, which did not cross yet
    density = np.ones(1)
    for look in range(1, looks + 1):
        due = 2 * float(ndtr(-critical / math.sqrt(look / looks)))
        boundary = _boundary(sums, density, due - spent)
        spent = due
        levels.append(float(ndtr(-boundary / math.sqrt(look))) if math.isfinite(boundary) else 0.0)
        sums, density = _advance(sums, density, boundary, look)
    return tuple(levels)


def _boundary(sums: NDArray[np.float64] | None, density: NDArray[np.float64], due: float) -> float:
    """Where the next sum, the last one plus a standard normal, exceeds with probability `due`."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    if due <= 1e-14:
        return math.inf

    def excess(boundary: float) -> float:
        if sums is None:
            return float(ndtr(-boundary)) - due
        return float(np.trapezoid(density * ndtr(sums - boundary), sums)) - due

    return float(brentq(excess, -10.0, 60.0, xtol=1e-8))


def _advance(
    sums: NDArray[np.float64] | None,
    density: NDArray[np.float64],
    boundary: float,
    look: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Grid and density of the sum after a look, where it did not cross the boundary."""
    spread = 8 * math.sqrt(look)
    grid = np.linspace(-spread, min(boundary, spread), _GRID)
    if sums is None:
        return grid, np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    step = np.exp(-((grid[:, None] - sums[None, :]) ** 2) / 2) / math.sqrt(2 * math.pi)
    return grid, np.asarray(np.trapezoid(step * density[None, :], sums, axis=1))


def rejected(
    cases: Mapping[str, Blocks], planned: int, alpha: float, off: Mapping[str, float] = _NO_DOUBT
) -> dict[str, float]:
    """The cases whose log ratio is shown to be above what is taken `off` it (0 unless given, and
    never less), and the lower bound of each, with that taken off.

    One error rate `alpha` for all cases and looks together: a case is tested at alpha over the
    number of cases not rejected yet, which grows with each rejection. The first test is the
    strictest, so the order does not matter.
    Source: Ye, Li, Liu and Yao, Statistics in Medicine 32 (2013): group-sequential Holm.
    """
    found: dict[str, float] = {}
    while len(found) < len(cases):
        level = alpha / (len(cases) - len(found))
        bounds = {
            name: blocks.mean - blocks.margin(planned, level) - off.get(name, 0.0)
            for name, blocks in cases.items()
            if name not in found
        }
        new = {name: bound for name, bound in bounds.items() if bound > 0}
        if not new:
            break
        found |= new
    return found
