"""Numbers as sentences show them, and as JSON stores them."""

import math

import numpy as np
from numpy.typing import NDArray


def percent(share: float) -> str:
    """A share in per cent to one decimal, rounded down.

    Rounded down, a figure is on the same side of a limit as the value itself: 95.97 %
    is not shown as the 96.0 % that it failed to reach.
    """
    return f"{round_down(share * 100, 1)} %"


def round_down(value: float, digits: int) -> str:
    """A number with so many decimals, never more than it is."""
    if not math.isfinite(value):
        return str(value)
    # 0.57 * 1000 is 569.99...: round off the float's own error first.
    return f"{math.floor(round(value * 10**digits, 6)) / 10**digits:.{digits}f}"


def rounded(values: NDArray[np.float64]) -> list[float]:
    """Seven significant digits: what float32 has, and small in a file."""
    return [float(f"{value:.7g}") for value in values]


def sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)), without overflow."""
    grown = math.exp(-abs(value))
    return 1 / (1 + grown) if value >= 0 else grown / (1 + grown)
