"""The shape of a change: a step between two levels, or a ramp from one to the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]

# A shorter ramp cannot be distinguished from a step.
LEAST_RUNS = 5
# Ends of a ramp that are tried: all of a short series, so many of a long one.
MOST_KNOTS = 48


@dataclass(frozen=True)
class Ramp:
    """Level up to value `first`, then linear, a level again from value `last` on. `rise` is the
    difference of the two levels, `left` the sum of squares that it leaves over."""

    first: int
    last: int
    rise: float
    left: float


def best_ramp(values: Floats) -> Ramp:
    """The ramp through (n,) values, n > LEAST_RUNS, that leaves the least squares over."""
    n, y = len(values), values - values.mean()
    knots = np.unique(np.linspace(0, n - 1, min(n, MOST_KNOTS)).round().astype(int))
    a, b = (grid.ravel() for grid in np.meshgrid(knots, knots, indexing="ij"))
    a, b = a[b - a >= LEAST_RUNS], b[b - a >= LEAST_RUNS]
    width, after = b - a, n - 1 - b
    # Regression on the ramp from 0 to 1, by sums over its three parts.
    sums, weighted = np.cumsum(y), np.cumsum(np.arange(n) * y)
    total = (width + 1) / 2 + after
    squares = (width + 1) * (2 * width + 1) / (6 * width) + after - total**2 / n
    product = (weighted[b] - weighted[a] - a * (sums[b] - sums[a])) / width + sums[-1] - sums[b]
    best = int(np.argmax(product**2 / squares))
    gain = float(product[best] ** 2 / squares[best])
    rise = float(product[best] / squares[best])
    return Ramp(int(a[best]), int(b[best]), rise, max(0.0, float(y @ y) - gain))


def residuals(values: Floats) -> Floats:
    """What the best ramp leaves over of each of (n,) values."""
    ramp = best_ramp(values)
    shape = np.clip((np.arange(len(values)) - ramp.first) / (ramp.last - ramp.first), 0, 1)
    left: Floats = values - values.mean() - ramp.rise * (shape - shape.mean())
    return left


def best_split(values: Floats, first: int, last: int) -> int:
    """The split from `first` to `last` that leaves the least squares about two means."""
    n, sums = len(values), np.concatenate(([0.0], np.cumsum(values - values.mean())))
    splits = np.arange(first, last + 1)
    gain = sums[splits] ** 2 * n / (splits * (n - splits))
    return int(splits[np.argmax(gain)])


def left_by_steps(values: Floats, splits: list[int]) -> float:
    """The sum of squares about the means between `splits`."""
    return sum(float(((part - part.mean()) ** 2).sum()) for part in np.split(values, splits))
