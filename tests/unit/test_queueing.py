"""Queues: formulas against each other and against a simulation; what early stopping asks for."""

import numpy as np
import pytest

from vitbench.stats.queueing import (
    batch_mean,
    highest_rate,
    late_share_upper,
    md1_wait,
    mdc_wait,
    percentile,
    poisson_arrivals,
    queries_needed,
    simulated,
)


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9, 0.97])
def test_one_server_of_many_is_the_formula_of_one(load):
    assert mdc_wait(1, load, 2.0) == pytest.approx(md1_wait(load, 2.0), rel=1e-6)


@pytest.mark.parametrize("load", [-0.1, 0.0, 1.0, 1.5])
def test_a_load_without_a_mean_wait_is_refused(load):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        md1_wait(load, 1.0)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        mdc_wait(2, load, 1.0)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.3), (1, 0.7), (2, 0.5), (3, 0.8)])
def test_the_simulated_queue_waits_as_theory_says(servers, load):
    arrivals = poisson_arrivals(servers * load, 40_000, seed=5)
    waits = simulated(arrivals, {1: [1.0]}, servers) - 1.0
    assert waits.min() >= -1e-9
    found = batch_mean(waits, level=0.9995)
    assert found.low <= mdc_wait(servers, load, 1.0) <= found.high
    assert found.margin < 0.25 * found.mean


def test_a_batching_window_waits_for_others_and_no_longer():
    # Two neighbours share a call, which begins when the first is 5 old; the third is alone.
    found = simulated([0.0, 2.0, 100.0], {1: [1.0], 2: [3.0]}, 1, window_seconds=5.0)
    assert found.tolist() == [5.0, 3.0, 6.0]
    # Of three, two go at once and one goes alone.
    found = simulated([0.0, 1.0, 1.0], {1: [1.0], 2: [3.0]}, 1, window_seconds=5.0)
    assert found.tolist() == [4.0, 3.0, 6.0]


def test_the_highest_rate_keeps_the_bound_and_five_per_cent_more_does_not():
    services = {1: [0.010, 0.011, 0.012]}
    rate = highest_rate(services, 2, bound_seconds=0.030, seed=3)
    assert 0.4 < rate * 0.011 / 2 < 1
    unit = poisson_arrivals(1.0, 4000, seed=3)
    assert percentile(simulated(unit / rate, services, 2, seed=3)) <= 0.030
    assert percentile(simulated(unit / rate / 1.05, services, 2, seed=3)) > 0.030


def test_no_rate_keeps_a_bound_below_the_service():
    assert highest_rate({1: [0.02]}, 2, bound_seconds=0.015) == 0.0


def test_the_percentile_is_the_nearest_rank():
    assert percentile(range(1, 101)) == 99
    assert percentile([3.0]) == 3.0
    assert percentile(range(1, 11), 0.9) == 9


@pytest.mark.parametrize(("late", "queries"), [(0, 459), (1, 662), (2, 838)])
def test_early_stopping_asks_for_mlperf_s_numbers(late, queries):
    assert queries_needed(late) == queries


def test_a_looser_percentile_asks_for_fewer_queries():
    assert queries_needed(0, share=0.9) == 44


def test_late_queries_that_come_together_are_bounded_less_well():
    apart, together = np.zeros(2000, bool), np.zeros(2000, bool)
    apart[100::200] = True
    together[:10] = True
    assert late_share_upper(apart) == pytest.approx(0.0085, abs=5e-4)
    assert late_share_upper(together) > 0.012
    assert 0 < late_share_upper(np.zeros(1001, bool)) < 0.0035


def test_batches_of_one_value_are_refused():
    with pytest.raises(ValueError, match="at least 20 values"):
        batch_mean(range(19))
