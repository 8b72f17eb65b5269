"""Tests over a whole suite: one error rate for all cases, and paired predictions."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

SUITE_LEVEL = 0.01
"""How often a suite in which nothing changed may be failed, by one family of tests."""

Test = TypeVar("Test")


def holm(p_values: Mapping[Test, float]) -> dict[Test, float]:
    """The adjusted p-value of each test: reject those at most the level of the whole family.

    The k-th smallest of m is multiplied by m - k + 1, never below the one before it, at most 1.
    Holds whatever the tests' dependence. Source: Holm, Scand. J. Statistics 6 (1979).
    """
    adjusted, highest, left = {}, 0.0, len(p_values)
    for key in sorted(p_values, key=lambda key: p_values[key]):
        highest = max(highest, min(1.0, p_values[key] * left))
        adjusted[key] = highest
        left -= 1
    return {key: adjusted[key] for key in p_values}


def false_discovery_rate(p_values: Sequence[float], tests: int) -> list[float]:
    """The adjusted p-value of each: the false-discovery rate at which its test is just rejected.

    The k-th smallest of `tests` is multiplied by tests / k, never above the one after it. `tests`,
    at least as many as `p_values`: how many tests there were; the others had p = 1.
    Source: Benjamini and Hochberg, JRSS B 57 (1995). A test compares it with scipy's
    false_discovery_control, which would take longer to import than a history to read.
    """
    adjusted, lowest = [1.0] * len(p_values), 1.0
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in reversed(list(enumerate(order, 1))):
        adjusted[index] = lowest = min(lowest, p_values[index] * (tests / rank))
    return adjusted


def mcnemar_exact(lost: float, gained: float) -> float:
    """One-sided p-value that images were lost: hits before that are none now, against `gained`.

    Where nothing changed a discordant image is as likely lost as gained, so `lost` is binomial
    with n = lost + gained and p = 1/2. 1 where nothing was lost. Counts may be real-valued, after
    division by a design effect: the binomial tail is then the beta distribution's.
    Source: McNemar, Psychometrika 12 (1947); clustered counts: Rao and Scott, Biometrics 48 (1992).
    """
    from scipy.special import betainc

    return float(betainc(lost, gained + 1, 0.5)) if lost > 0 else 1.0
