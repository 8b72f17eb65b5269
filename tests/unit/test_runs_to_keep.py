"""What stays of a series tells its changes again."""

import math

import numpy as np
import pytest

from vitbench.history.runs_to_keep import runs_to_keep
from vitbench.stats.change_points import change_points


def noise(n, seed):
    return np.random.default_rng(seed).normal(0, 0.02, n)


@pytest.mark.parametrize("seed", range(5))
def test_a_small_step_is_told_again_by_what_stays(seed):
    values = noise(200, seed)
    values[100:] += math.log(1.05)
    (change,) = change_points(values)
    stay = sorted(runs_to_keep(values, {*range(0, 200, 7), *range(180, 200)}))
    (again,) = change_points(values[stay])
    assert abs(stay[again.at] - change.at) <= 10


def test_a_creep_is_told_again_and_what_stood_still_may_go():
    values = noise(300, 1)
    values[150:] += 0.01 * np.clip(np.arange(1, 151), 0, 30)
    stay = sorted(runs_to_keep(values, {*range(0, 300, 7), *range(280, 300)}))
    assert {*range(10), *range(150, 180)} <= set(stay)
    assert len(stay) < 200
    (again,) = change_points(values[stay])
    assert again.gradual
    assert again.size == pytest.approx(0.3, abs=0.05)


def test_without_a_change_nothing_more_stays():
    assert runs_to_keep(noise(100, 2), {0, 50}) == {0, 50, 99}
