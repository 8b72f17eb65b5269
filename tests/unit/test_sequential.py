"""Tests that may look after every block: boundaries against published ones, error rates."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import trim_mean
from scipy.stats.mstats import winsorize

from vitbench.duet.block import Block
from vitbench.duet.block_verdicts import judge_blocks
from vitbench.duet.rule import Rule, states_of
from vitbench.stats.sequential import Blocks, nominal_levels, rejected


def test_the_boundaries_are_the_published_ones():
    """Five looks at one-sided 2.5 %: Reboussin et al., Controlled Clinical Trials 21 (2000)."""
    published = [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]
    found = [-ndtri(level) for level in nominal_levels(5, 0.025)]
    assert found == pytest.approx(published, abs=2e-3)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_all_looks_together_spend_alpha(alpha):
    random = np.random.default_rng(0)
    sums = random.standard_normal((200_000, 20)).cumsum(axis=1) / np.sqrt(np.arange(1, 21))
    boundary = [-ndtri(level) if level else np.inf for level in nominal_levels(20, alpha)]
    crossed = (sums > boundary).any(axis=1).mean()
    assert crossed == pytest.approx(alpha, abs=4 * math.sqrt(alpha / 200_000))


def test_one_block_says_nothing():
    assert Blocks.of([0.5]).margin(20, 0.01) == math.inf
    assert rejected({"a": Blocks.of([0.5])}, 20, 0.01) == {}


def test_holm_gives_the_last_case_the_whole_level():
    """A case between the levels alpha / 2 and alpha falls only where its neighbour fell first."""
    strict = nominal_levels(20, 0.005)[19], nominal_levels(20, 0.01)[19]
    from scipy.special import stdtrit

    near, far = Blocks(20, 0.0, 1.0), Blocks(20, 100.0, 1.0)
    between = -sum(stdtrit(near.degrees, level) for level in strict) / 2
    near = replace(near, mean=between)
    assert set(rejected({"near": near, "far": far}, 20, 0.01)) == {"near", "far"}
    assert rejected({"near": near, "other": Blocks(20, 0.0, 1.0)}, 20, 0.01) == {}


def test_a_few_spoiled_blocks_hardly_count():
    """Against SciPy's trimmed mean, and the variance of a sample whose ends were pulled in."""
    logs = np.random.default_rng(3).normal(0, 0.02, 20)
    found, spoiled = Blocks.of(logs), Blocks.of([*np.sort(logs)[:-3], 0.5, 1.0, 2.0])
    assert found.mean == pytest.approx(trim_mean(logs, 0.2))
    error = winsorize(logs, (0.2, 0.2)).std(ddof=1) * math.sqrt(19 / (12 * 11))
    assert found.standard_error == pytest.approx(error)
    assert found.degrees == 11
    assert spoiled.mean == pytest.approx(found.mean)
    assert spoiled.standard_error == pytest.approx(found.standard_error)


def gates(effect, count, sd=0.026, planned=20, cases=4, bursts=0.0):
    """Shares of gates with a false SLOWER, with the first case SLOWER, and left undecided.

    `bursts` is the share of blocks in which an arm, any of the three, takes a tenth longer.
    """
    random = np.random.default_rng(1)
    rule, false, seen, left = Rule(planned=planned), 0, 0, 0
    for _ in range(count):
        arms = random.normal(0, sd / math.sqrt(1.5), (cases, planned, 3))
        arms += 0.1 * (random.random(arms.shape) < bursts)
        base, head, null = np.moveaxis(arms, 2, 0)
        logs = np.stack([head - (base + null) / 2, null - base], axis=2)
        logs[0, :, 0] += effect
        states = ["INCONCLUSIVE"] * cases
        used = [0] * cases
        for look in range(2, planned + 1):
            used = [look if s == "INCONCLUSIVE" else u for s, u in zip(states, used, strict=True)]
            both = (
                {str(c): Blocks.of(logs[c, : used[c], arm]) for c in range(cases)} for arm in (0, 1)
            )
            found = states_of(*both, rule)
            states = [found[str(c)][0] if s == "INCONCLUSIVE" else s for c, s in enumerate(states)]
            if "INCONCLUSIVE" not in states:
                break
        false += "SLOWER" in states[1 if effect else 0 :]
        seen += states[0] == "SLOWER"
        left += "INCONCLUSIVE" in states
    return false / count, seen / count, left / count


def test_unchanged_code_fails_one_gate_in_a_hundred_at_most():
    false, _, left = gates(0.0, 300)
    assert false <= 0.01
    assert left <= 0.05


def test_bursts_fail_no_unchanged_code_and_leave_less_undecided():
    """A tenth of the blocks of each arm. With plain means 111 of these 200 gates end undecided."""
    false, _, left = gates(0.0, 200, sd=0.018, bursts=0.1)
    assert false <= 0.01
    assert left <= 0.35


def test_five_per_cent_is_seen():
    false, seen, _ = gates(math.log1p(0.05), 150)
    assert false <= 0.02
    assert seen >= 0.95


def block(change=0.0, null=0.0, noise=0.0, seed=0, seconds=0.02):
    random = np.random.default_rng(seed)
    base, head, third = seconds * np.exp(random.normal(0, noise, (3, 12)))
    return Block(list(base), list(head * math.exp(change)), list(third * math.exp(null)))


@pytest.mark.parametrize(
    ("change", "null", "state", "words"),
    [
        (0.0, 0.0, "SAME", "inside the tolerance of 3.0%"),
        (0.08, 0.0, "SLOWER", "at a false-alarm rate of 1% for the whole suite"),
        (-0.08, 0.0, "FASTER", "at least -"),
        (0.02, 0.0, "INCONCLUSIVE", "the blocks show neither a change nor that it is within 3.0%"),
        (0.08, 0.05, "INCONCLUSIVE", "this machine is too noisy just now"),
    ],
)
def test_each_verdict_says_why(change, null, state, words):
    blocks = [block(change, null, noise=0.03, seed=seed) for seed in range(20)]
    if "neither" in words:  # a change near the tolerance, in noise
        blocks = [block(change + 0.03 * (-1) ** s, null, seed=s) for s in range(20)]
    verdict = judge_blocks({"m/v/cpu/b1": blocks}, Rule())["m/v/cpu/b1"]
    assert verdict.state == state, verdict.sentence
    assert words in verdict.sentence
    assert "20 blocks" in verdict.sentence
    assert verdict.low <= verdict.change <= verdict.high


@pytest.mark.parametrize("planned", [2, 3, 8, 20, 40])
def test_every_look_has_a_sentence(planned):
    """The first looks have hardly any level and one degree of freedom: no bound, and no crash."""
    blocks = [block(0.0, noise=0.2, seed=seed) for seed in range(planned)]
    for count in range(planned + 1):
        found = judge_blocks({"case": blocks[:count]}, Rule(planned=planned))["case"]
        assert found.sentence
        if count == 1:
            assert found.low is None
            assert "90 %" not in found.sentence


def test_an_interval_that_says_nothing_is_not_in_the_sentence():
    """Three blocks of twenty: by their level it reaches from -100 % to thousands of percent."""
    blocks = [block(0.0, noise=0.1, seed=seed) for seed in range(20)]
    early, late = (judge_blocks({"case": blocks[:count]}, Rule())["case"] for count in (3, 20))
    assert early.high > 9, "this test is about a wide one"
    assert "90 %" not in early.sentence
    assert "blocks would decide" in early.sentence
    assert "90 % [" in late.sentence


def test_a_small_sure_change_is_no_regression():
    """The estimate must exceed the tolerance, however sure it is."""
    blocks = [block(0.02, noise=0.001, seed=seed) for seed in range(20)]
    assert judge_blocks({"case": blocks}, Rule())["case"].state == "SAME"


def test_a_case_may_have_its_own_tolerance():
    blocks = [block(0.04, noise=0.001, seed=seed) for seed in range(20)]
    assert judge_blocks({"case": blocks}, Rule())["case"].state == "SLOWER"
    assert judge_blocks({"case": blocks}, Rule(own={"case": 0.06}))["case"].state == "SAME"


def test_times_and_percentage_of_a_sentence_fit():
    """The times are over both base arms, and over the blocks that the change rests on."""
    blocks = [block(0.08, null=0.1, noise=0.01, seed=seed, seconds=0.02) for seed in range(9)]
    blocks.append(block(2.0, seconds=0.5))  # a burst, which is cut off
    found = judge_blocks({"case": blocks}, Rule(tolerance=0.12))["case"]
    base, head = (found.figures[f"{side}_median_seconds"] for side in ("base", "head"))
    assert head / base - 1 == pytest.approx(found.change, abs=0.005)
    assert f"(both base arms {base * 1e3:.4g} ms, head {head * 1e3:.4g} ms; 10" in found.sentence
    assert base == pytest.approx(0.02 * math.exp(0.05), rel=0.01)


@pytest.mark.parametrize("null", [0.0, 0.15])
def test_an_interval_outside_the_tolerance_that_is_not_enough_for_all_cases_says_so(null):
    blocks = [block(1.4 + 0.15 * (-1) ** seed, null, seed=seed) for seed in range(7)]
    cases = {f"case {at}": blocks if not at else [block(0.0)] for at in range(400)}
    found = judge_blocks(cases, Rule())["case 0"]
    assert found.state == "INCONCLUSIVE", found.sentence
    assert found.low > 0.5
    assert "SLOWER at an error rate of 1% for the whole suite needs more blocks" in found.sentence
    assert ("although base differs from itself by" in found.sentence) == bool(null)
    assert "blocks would decide" in found.sentence


def test_both_bases_count_in_the_change():
    """Head is held against the mean of both bases, so that a lucky one matters half."""
    assert block(0.0, null=0.02).change == pytest.approx(-0.01)
    assert block(0.0, null=0.02).null_change == pytest.approx(0.02)
