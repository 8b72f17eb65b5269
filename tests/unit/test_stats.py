"""The statistics, against textbook values and against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from vitbench.stats.intervals import clopper_pearson, clustered_size, effective_size, paired_ratio
from vitbench.stats.multiplicity import false_discovery_rate


@pytest.mark.parametrize(("share", "images"), [(0.99, 299), (0.96, 74), (0.5, 5)])
def test_images_without_a_flip_that_reach_a_share(share, images):
    assert clopper_pearson(images, images)[0] >= share
    assert clopper_pearson(images - 1, images - 1)[0] < share


def test_clopper_pearson_against_the_binomial_test():
    for matched, n in ((498, 500), (1, 20), (7, 8)):
        lower, upper = clopper_pearson(matched, n)
        tested = scipy_stats.binomtest(matched, n)  # two-sided 90 % is one-sided 95 %
        assert (lower, upper) == pytest.approx(tested.proportion_ci(0.90, method="exact"))


def test_clopper_pearson_at_the_ends():
    assert clopper_pearson(0, 10)[0] == 0
    assert clopper_pearson(10, 10)[1] == 1
    assert clopper_pearson(0, 0) == (0, 1)
    assert clopper_pearson(0, 10)[1] == pytest.approx(1 - 0.05**0.1)


def test_clopper_pearson_of_real_sizes_lies_between_its_neighbours():
    lower = [clopper_pearson(n, n)[0] for n in (42, 42.7, 43)]
    assert lower == sorted(set(lower))


@pytest.mark.parametrize("share", [0.9, 0.96])
def test_clopper_pearson_covers(share):
    rng = np.random.default_rng(0)
    matched = rng.binomial(200, share, size=2000)
    bounds = {value: clopper_pearson(int(value), 200) for value in set(matched)}
    assert np.mean([bounds[value][0] <= share for value in matched]) >= 0.945
    assert np.mean([bounds[value][1] >= share for value in matched]) >= 0.945


def test_images_of_their_own_photograph_count_in_full():
    assert effective_size([True, False, True], ["a", "b", "c"]) == 3
    assert effective_size([], []) == 0


def test_one_photograph_is_one_image():
    assert effective_size([True] * 64, ["cat"] * 64) == 1


def test_crops_of_a_dozen_photographs():
    """256 crops, no flip: Kish's 1 + 0.2 (21.4 - 1) = 5.07, then (t.95,255 / t.95,11)^2 = 0.845."""
    clusters = [f"photo{index % 12}" for index in range(256)]
    effective = effective_size([True] * 256, clusters)
    assert effective == pytest.approx(256 / 5.07 * (1.6509 / 1.7959) ** 2, rel=2e-3)


def test_the_estimated_correlation_counts_where_it_is_greater():
    clusters = [f"photo{index // 10}" for index in range(200)]
    together = np.arange(200) < 30  # all images of three photographs flip
    apart = np.arange(200) % 7 == 0
    assert effective_size(~apart, clusters) == effective_size([True] * 200, clusters)
    assert effective_size(~together, clusters) == clustered_size(clusters, icc=1.0)


def test_anova_estimate_by_hand():
    """(1 1) (1 0) (0 0): between 0.5, within 1/6, so (1/2 - 1/6) / (1/2 + 1/6) = 1/2."""
    hits, clusters = [True, True, True, False, False, False], ["a", "a", "b", "b", "c", "c"]
    assert effective_size(hits, clusters) == pytest.approx(clustered_size(clusters, 0.5))
    assert clustered_size(clusters, 0.5) == pytest.approx(
        6 / 1.5 * (2.0150 / 2.9200) ** 2, rel=1e-3
    )


def test_effective_size_stays_between_one_and_n():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n = int(rng.integers(2, 40))
        clusters = [str(value) for value in rng.integers(0, rng.integers(1, 20), n)]
        assert 1 <= effective_size(rng.random(n) < 0.8, clusters) <= n


def test_paired_ratio_by_hand():
    logs = np.linspace(-0.1, 0.3, 40)
    ratio = paired_ratio(np.ones(40), np.exp(logs))
    means = logs.reshape(20, 2).mean(axis=1)
    error = means.std(ddof=1) / math.sqrt(20)
    assert ratio.speedup == pytest.approx(math.exp(0.1))
    assert ratio.standard_error == pytest.approx(error)
    assert ratio.low == pytest.approx(math.exp(0.1 - 2.0930 * error), rel=1e-4)
    assert ratio.high == pytest.approx(math.exp(0.1 + 2.0930 * error), rel=1e-4)
    assert ratio.detectable == pytest.approx(math.exp((2.0930 + 0.8610) * error) - 1, rel=1e-3)
    assert (ratio.batches, ratio.rounds) == (20, 40)


def test_a_case_twice_as_fast_has_a_speedup_of_two():
    assert paired_ratio([0.1] * 3, [0.2] * 3).speedup == pytest.approx(2)


def test_too_few_rounds_have_an_estimate_and_no_interval():
    ratio = paired_ratio(np.ones(19), np.full(19, 1.1))
    assert ratio.speedup == pytest.approx(1.1)
    assert [ratio.low, ratio.high, ratio.standard_error, ratio.detectable] == [None] * 4
    assert (ratio.batches, ratio.rounds) == (19, 19)
    assert paired_ratio(np.ones(20), np.full(20, 1.1)).low is not None


@pytest.mark.parametrize(("case", "reference"), [([1], [1, 2]), ([], []), ([0.0], [1.0])])
def test_rounds_that_are_no_pairs_are_refused(case, reference):
    with pytest.raises(ValueError, match="as many positive"):
        paired_ratio(case, reference)


def covered(coefficient, rounds, runs=1500):
    """How often the interval holds the true speed-up of 1.1 where noise is AR(1)."""
    rng = np.random.default_rng(7)
    noise = rng.normal(scale=0.03, size=(runs, rounds + 100))
    for index in range(1, rounds + 100):
        noise[:, index] += coefficient * noise[:, index - 1]
    ratios = [paired_ratio(np.exp(row), np.full(rounds, 1.1)) for row in noise[:, 100:]]
    return np.mean([ratio.low <= 1.1 <= ratio.high for ratio in ratios])


@pytest.mark.parametrize(
    ("coefficient", "rounds", "stated"),
    [(0.0, 20, 0.96), (0.0, 200, 0.95), (0.5, 20, 0.75), (0.5, 200, 0.94), (0.9, 200, 0.77)],
)
def test_the_interval_covers_what_its_docstring_states(coefficient, rounds, stated):
    """Also where that is too little: neighbouring rounds that resemble each other."""
    assert covered(coefficient, rounds) == pytest.approx(stated, abs=0.03)


def test_a_detectable_change_is_seen_four_times_in_five():
    rng = np.random.default_rng(3)
    quiet = np.exp(rng.normal(scale=0.03, size=(1500, 100)))
    planted = 1 + float(
        np.median([paired_ratio(row, np.ones(100)).detectable for row in quiet[:300]])
    )
    seen = [paired_ratio(row, np.full(100, planted)).low > 1 for row in quiet]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.03)


def test_false_discoveries_as_benjamini_and_hochberg_decided():
    """Their own example: 15 p-values, of which a rate of 5 % rejects the four smallest, and
    Bonferroni's procedure three."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
                0.4262, 0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    assert [p <= 0.05 for p in false_discovery_rate(p_values, 15)] == [True] * 4 + [False] * 11
    # In any order, and where the tests without a finding are only counted.
    assert [p <= 0.05 for p in false_discovery_rate([0.0201, 0.0095, 0.0001], 15)] == [
        False, False, True,
    ]  # fmt: skip
    assert false_discovery_rate([0.04], 1) == [0.04]
    assert false_discovery_rate([0.04], 2) == [0.08]
    assert false_discovery_rate([], 9) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 20))
def test_false_discoveries_as_scipy_decides(p_values, more):
    of_scipy = scipy_stats.false_discovery_control([*p_values, *[1.0] * more])
    ours = false_discovery_rate(p_values, len(p_values) + more)
    assert ours == pytest.approx(of_scipy[: len(p_values)].tolist(), rel=1e-12)
