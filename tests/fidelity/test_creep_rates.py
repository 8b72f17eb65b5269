"""The gate's error rates with an anchor, simulated: creep, unchanged suites, and a step."""

import math

import numpy as np
import pytest

from vitbench.judge.change import PROCESS_SPREAD, Timing, anchored, change, judge_changes

CASES, ROUNDS, SPREAD, FLAT = 6, 20, 0.05, 10
pytestmark = pytest.mark.thorough


class Nights:
    """Gates of six cases, 20 rounds each with a standard deviation of 5 %, processes that differ by
    `process_spread`; where `correlation` is not 0, each night resembles the one before."""

    def __init__(self, seed, process_spread=PROCESS_SPREAD, correlation=0.0):
        self.draw = np.random.default_rng(seed)
        self.process_spread, self.correlation = process_spread, correlation

    def series(self, count, level=lambda _: 0.0):
        found, wander = [], self.draw.normal(0, self.process_spread)
        fresh = self.process_spread * math.sqrt(1 - self.correlation**2)
        for night in range(count):
            error = SPREAD**2 / ROUNDS
            mean = level(night) + wander + self.draw.normal(0, math.sqrt(error))
            shown = error * self.draw.chisquare(ROUNDS - 1) / (ROUNDS - 1)
            found.append(Timing(float(mean), float(shown), ROUNDS - 1))
            wander = self.correlation * wander + self.draw.normal(0, fresh)
        return found

    def suite(self, count=41, level=lambda _: 0.0):
        """Series of all cases; the first one has a level of its own."""
        return [self.series(count, level), *(self.series(count) for _ in range(CASES - 1))]


def slower(suite, anchor, tolerance, count=10):
    """The cases that are SLOWER in the last night of a suite."""
    tests = {}
    for case, nights in enumerate(suite):
        head, newest = nights[-1], nights[-1 - count : -1]
        tests[case, "newest"] = change(head, newest, PROCESS_SPREAD)
        old = {"first": nights[: min(10, len(nights) - 1 - count)], "accepted": nights[9:10]}
        if old.get(anchor):
            tests[case, "anchor"] = anchored(head, old[anchor], newest, PROCESS_SPREAD)
    states = judge_changes(tests, dict.fromkeys(tests, tolerance))
    return {key[0] for key, state in states.items() if state == "SLOWER"}


def creep(night):
    """One per cent a night after ten flat ones."""
    return max(0, night - FLAT + 1) * math.log(1.01)


@pytest.mark.parametrize("tolerance", [0.10, 0.15])
@pytest.mark.parametrize(
    ("anchor", "least", "most", "median"),
    [(None, 0.0, 0.35, None), ("first", 0.99, 1.0, 16), ("accepted", 0.95, 1.0, 23)],
)
def test_one_per_cent_a_night_is_caught_within_thirty(anchor, least, most, median, tolerance):
    nights, when = Nights(20261127), []
    for _ in range(100):
        suite = nights.suite(FLAT + 31, creep)
        caught = (
            night - FLAT + 1
            for night in range(FLAT + 1, FLAT + 30)
            if 0 in slower([each[: night + 1] for each in suite], anchor, tolerance)
        )
        when.append(next(caught, None))
    found = [night for night in when if night is not None]
    assert least <= len(found) / len(when) <= most
    assert median is None or np.median(found) <= median


@pytest.mark.parametrize(
    ("process_spread", "correlation"),
    [
        (PROCESS_SPREAD, 0.0),
        (2 * PROCESS_SPREAD, 0.0),
        (PROCESS_SPREAD, 0.25),
        (PROCESS_SPREAD, 0.5),
    ],
)
@pytest.mark.parametrize("anchor", ["first", "accepted"])
def test_unchanged_suites_fail_at_most_one_in_a_hundred(anchor, process_spread, correlation):
    """Also where runs wander twice as much as is assumed, or each resembles the one before."""
    nights = Nights(20261128, process_spread, correlation)
    failed = [bool(slower(nights.suite(), anchor, 0.05)) for _ in range(1000)]
    # 1 % of 1000 is 10; three standard deviations above it.
    assert sum(failed) <= 19


@pytest.mark.parametrize("step", [0.05, 0.10, 0.15])
def test_an_anchor_takes_no_power_from_a_step(step):
    nights = Nights(20261129)

    def level(night):
        return math.log1p(step) * (night == 40)

    suites = [nights.suite(level=level) for _ in range(400)]
    seen = {a: np.mean([0 in slower(s, a, 0.10) for s in suites]) for a in (None, "first")}
    assert seen["first"] >= seen[None] - 0.04
