"""Change points of planted series. How often they are false: change_points_rates.py."""

import numpy as np
import pytest

from vitbench.judge.changes import changes
from vitbench.tests.change_points_rates import false_rate, found_rate


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0, 0.02, n)


def test_a_planted_step_is_found_where_it_is():
    values = noise(150)
    values[100:] += 0.05
    (change,) = changes(values)
    assert abs(change.at - 100) <= 2
    assert 100 < change.told <= 110
    assert change.low < 0.05 < change.high
    assert change.p < 0.001


def test_two_steps_are_two_changes():
    values = noise(240)
    values[80:] += 0.2
    values[160:] -= 0.3
    found = changes(values)
    assert [change.at for change in found] == [80, 160]
    assert found[0].size > 0 > found[1].size


def test_a_large_change_is_found_early_in_a_short_series():
    values = noise(30)
    values[20:] += 0.3
    (change,) = changes(values)
    assert change.at == 20


def test_one_run_gone_wrong_is_no_change():
    values = noise(120)
    values[100] += 3.0
    assert changes(values) == []
    values[-1] += 3.0
    assert changes(values) == []


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 200, np.zeros(13), [1e100] * 30])
def test_nothing_to_tell(values):
    assert changes(values) == []


def test_what_was_told_stays_told():
    values = noise(160, 4)
    values[100:] += 0.06
    told = changes(values)[0].told
    assert [changes(values[:n]) for n in range(told)] == [[]] * told
    assert all(changes(values[:n]) for n in range(told + 1, 161))


def test_the_rates_are_as_promised_in_a_small_sample():
    # Of 200 series 1 % are 2; more than 6 have a chance of 1 in 250.
    for correlation in (0.0, 0.5):
        assert false_rate(100, correlation, 200, changes) <= 6 / 200
    assert found_rate(100, 0.05, 0.0, 200) >= 0.83
