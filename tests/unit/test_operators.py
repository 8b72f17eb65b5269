"""Where the time of a slower case lies: operators beyond their own noise, or none of them."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from vitbench.duet.operators import LEVEL, grown_operators, with_operators
from vitbench.duet.planted import extra_work
from vitbench.duet.turns import ARMS
from vitbench.judge.verdict import Verdict
from vitbench.stats.contrasts import Contrast

ROUNDS = 6


def slower(seconds, base=0.010):
    figures = {"base_median_seconds": base}
    return Verdict("m/v/cpu/b1", "SLOWER", "head is slower", seconds / base, figures=figures)


def recorded(operators, head, sd, seed=0):
    """Profiles of operators with so many seconds; `head` has what head adds, `sd` the noise."""
    random = np.random.default_rng(seed)
    added = {arm: head if arm == "head" else {} for arm in ARMS}
    return {
        arm: [
            [
                {"name": name, "seconds": random.normal(mean, sd) + added[arm].get(name, 0.0)}
                for name, mean in (dict.fromkeys(added[arm], 0.0) | operators).items()
            ]
            for _ in range(ROUNDS)
        ]
        for arm in ARMS
    }


def test_the_contrast_is_that_of_an_analysis_of_variance():
    """Beside scipy's linear model: with two arms of one kind, rounds are blocks."""
    random = np.random.default_rng(1)
    values = random.normal(size=(3, 8)) + 5 * random.normal(size=8)
    found = Contrast.of(*values)
    design = np.array([[arm == 0, arm == 1, *np.eye(8)[r]] for arm in range(3) for r in range(8)])
    design = design.astype(float)
    fit, squares = np.linalg.lstsq(design, values.ravel(), rcond=None)[:2]
    weights = np.array([1.0, -0.5, *np.zeros(8)])
    variance = squares[0] / found.degrees * weights @ np.linalg.inv(design.T @ design) @ weights
    assert found.mean == pytest.approx(weights @ fit)
    assert found.standard_error == pytest.approx(math.sqrt(variance))
    assert found.degrees == len(values.ravel()) - design.shape[1]


def test_of_unchanged_code_an_operator_is_named_as_rarely_as_promised():
    """200 cases of 20 operators; the share of the case's change is asked of none here."""
    operators = {f"op{index}": 0.001 * (index + 1) for index in range(20)}
    named = sum(
        bool(grown_operators(recorded(operators, {}, 1e-4, seed), 0.0)) for seed in range(200)
    )
    assert 0 < named <= 200 * LEVEL + 3 * math.sqrt(200 * LEVEL * (1 - LEVEL))


def test_what_grew_is_named_and_what_grew_by_little_is_not():
    operators = {"linear": 0.010, "gelu": 0.002, "add": 0.001}
    head = {"gelu": 0.002, "copy": 0.001, "add": 0.00005}
    found = with_operators(slower(0.003), recorded(operators, head, 1e-6))
    assert [each["name"] for each in found.figures["operators"]] == ["gelu", "copy"]
    assert found.sentence == (
        "head is slower. Operators that grew: gelu 4 ms (was 2), copy 1 ms (was 0); "
        "6 profiles of each arm, at an error rate of 5% for all 4 operators together"
    )


def test_what_operators_do_not_explain_is_the_rest():
    found = with_operators(slower(0.010), recorded({"linear": 0.010}, {"linear": 0.002}, 1e-6))
    assert "Operators that grew: linear 12 ms (was 10)" in found.sentence
    assert (
        "A call takes +10 ms, its operators +2 ms [+2, +2]: the rest lies outside" in found.sentence
    )


def test_growth_inside_the_noise_is_not_named_and_not_said_to_lie_elsewhere():
    profiles = recorded({"linear": 0.010, "gelu": 0.002}, {"linear": 0.001}, 0.003)
    found = with_operators(slower(0.001), profiles)
    assert found.figures["operators"] == []
    assert "No operator grew beyond its own noise by a tenth of the +1 ms" in found.sentence


def test_the_least_of_rounds_says_nothing_from_one():
    one = {arm: [[{"name": "a", "seconds": 1.0 + (arm == "head")}]] for arm in ARMS}
    assert grown_operators(one, 0.1) == []


def profiles_of(head, base):
    """Real ones, by torch's profiler, of two functions of a tensor (64, 256): of each operator the
    least of three profiles, since what else runs here takes milliseconds from some."""
    import torch

    from vitbench.runtimes.base import Deployment
    from vitbench.runtimes.torch_profile import operators

    made = Deployment(torch.from_numpy, base, lambda output: output.numpy())
    images = np.ones((64, 256), np.float32)

    def least(arm):
        of = replace(made, call=head) if arm == "head" else made
        found = {}
        for _ in range(3):
            for each in operators(of, "cpu", images, calls=2):
                found[each.name] = min(each.seconds, found.get(each.name, math.inf))
        return [{"name": name, "seconds": seconds} for name, seconds in found.items()]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rounds = [{arm: least(arm) for arm in ARMS} for _ in range(4)]
    finally:
        torch.set_num_threads(threads)
    return {arm: [each[arm] for each in rounds] for arm in ARMS}


def usual(images):
    return (images @ images.T).softmax(-1)


@pytest.mark.parametrize(
    "outside", [lambda: time.sleep(0.01), lambda: extra_work(3000)], ids=["sleep", "work"]
)
def test_time_outside_of_operators_is_said_to_lie_there(outside):
    def head(images):
        outside()
        return usual(images)

    began = time.perf_counter()
    outside()
    taken = time.perf_counter() - began
    found = with_operators(slower(taken), profiles_of(head, usual))
    assert found.figures["operators"] == [], found.sentence
    assert "the time lies outside of the operators that the profiler sees" in found.sentence
    assert found.figures["operators_together"]["case_growth_seconds"] == pytest.approx(taken)


def test_an_operator_that_runs_more_often_is_named():
    def head(images):
        for _ in range(100):
            images.exp()
        return usual(images)

    profiles = profiles_of(head, usual)
    exp = [r["seconds"] for rows in profiles["head"] for r in rows if r["name"] == "aten::exp"]
    found = with_operators(slower(min(exp)), profiles)
    assert [each["name"] for each in found.figures["operators"]] == ["aten::exp"], found.sentence
    assert "outside" not in found.sentence
