"""The gate's error rates over history, simulated, and its tests of many cases by hand."""

import numpy as np
import pytest

from vitbench.judge.change import PROCESS_SPREAD, Timing, change, judge_changes
from vitbench.stats.multiplicity import holm, mcnemar_exact


def test_holm_and_mcnemar_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert holm({}) == {}
    assert mcnemar_exact(7, 0) == pytest.approx(2**-7)
    assert mcnemar_exact(3, 1) == pytest.approx(5 / 16)
    assert mcnemar_exact(0, 9) == 1.0


@pytest.mark.parametrize(("rounds", "spread"), [(20, 0.05), (4, 0.1), (2, 0.1)])
def test_unchanged_suites_fail_at_most_one_in_a_hundred(rounds, spread):
    """1000 null gates of six cases: the run-to-run part has exactly the spread that is assumed."""
    draw = np.random.default_rng(20260101)

    def timing():
        drawn = draw.normal(draw.normal(0, PROCESS_SPREAD), spread, rounds)
        return Timing(float(drawn.mean()), float(drawn.var(ddof=1)) / rounds, rounds - 1)

    failed = 0
    for _ in range(1000):
        changes = {case: change(timing(), [timing()], PROCESS_SPREAD) for case in range(6)}
        failed += "SLOWER" in judge_changes(changes, dict.fromkeys(changes, 0.05)).values()
    # 1 % of 1000 is 10; three standard deviations above it.
    assert failed <= 19


def test_a_history_that_wanders_more_than_assumed_does_not_fail_unchanged_suites():
    """Twice the assumed spread between runs: ten of them show it. Against one, 28 % failed."""
    draw = np.random.default_rng(20260102)

    def timing():
        return Timing(float(draw.normal(0, 2 * PROCESS_SPREAD)), 1e-4, 19)

    failed = 0
    for _ in range(1000):
        changes = {
            case: change(timing(), [timing() for _ in range(10)], PROCESS_SPREAD) for case in "abcd"
        }
        failed += "SLOWER" in judge_changes(changes, dict.fromkeys(changes, 0.10)).values()
    assert failed <= 19
