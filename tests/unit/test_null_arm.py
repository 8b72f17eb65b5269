"""What a null arm outside the tolerance changes in a duet's verdicts, and what it does not."""

import json
import math

import numpy as np
import pytest

from tests.conftest import ROOT
from vitbench.duet.aa.gates import gate
from vitbench.duet.aa.recording import logs_of, read_blocks
from vitbench.duet.block import Block
from vitbench.duet.block_verdicts import judge_blocks
from vitbench.duet.rule import Rule, states_of
from vitbench.stats.sequential import Blocks

RECORDINGS = sorted((ROOT / "reports" / "aa-runs").glob("amd-*.json"))


def block(base, head, null):
    return Block([base] * 12, [head] * 12, [null] * 12)


def verdict(*blocks, rule=None):
    return judge_blocks({"c": blocks}, rule or Rule())["c"]


def test_a_change_far_beyond_the_null_arm_is_told():
    """Head takes twice as long, the null arm 5 % longer: 2 / 1.05^0.5 / 1.05 is left."""
    found = verdict(*[block(0.02, 0.04, 0.021)] * 20)
    assert found.state == "SLOWER"
    left = 2 / 1.05**1.5 - 1
    assert f"at least {left * 100:+.1f} % after subtracting the null arm's 5.0%" in found.sentence
    assert found.figures["taken_off"] == pytest.approx(0.05)
    faster = verdict(*[block(0.04, 0.02, 0.042)] * 20)
    assert faster.state == "FASTER"
    assert (
        f"at least {(1.05**0.5 / 2 - 1) * 100:+.1f} % after subtracting the null arm's"
        in faster.sentence
    )


@pytest.mark.parametrize("null", [0.021, 0.019])
@pytest.mark.parametrize("head", [0.02, 0.0205, 0.0195])
def test_a_change_that_the_null_arm_may_explain_is_not_told(head, null):
    found = verdict(*[block(0.02, head, null)] * 20)
    assert found.state == "INCONCLUSIVE"
    assert "this machine is too noisy just now: base differs from itself by 5.0 %" in (
        found.sentence
    )
    assert "blocks would decide" not in found.sentence, "more of the same decide nothing"


def test_what_is_left_must_exceed_the_tolerance_too():
    """8 % over both bases, of which a null arm of 5 % leaves less than 3 %; of 9 % more."""
    for change, state in ((1.08, "INCONCLUSIVE"), (1.09, "SLOWER")):
        head = 0.02 * change * math.sqrt(1.05)
        assert verdict(*[block(0.02, head, 0.021)] * 20).state == state


def test_a_null_arm_inside_the_tolerance_changes_nothing():
    for null in (0.0205, 0.0195):
        for head in (0.02, 0.021, 0.019):
            found = verdict(*[block(0.02, head, null)] * 20)
            change = math.log(head) - (math.log(0.02) + math.log(null)) / 2
            expected = "SAME" if abs(change) < math.log1p(0.03) else "SLOWER"
            assert found.state == ("FASTER" if change < -math.log1p(0.03) else expected)
            assert found.figures["taken_off"] == 0
            assert "taken off" not in found.sentence


def test_each_rejection_is_one_that_is_made_without_a_null_arm():
    """Over random suites, whose changes and null arms are of all sizes. So 1 % holds."""
    draw, rule, found = np.random.default_rng(5), Rule(), 0
    for _ in range(60):
        names = [str(number) for number in range(draw.integers(1, 7))]
        count = int(draw.integers(2, 21))
        centre, wide = draw.normal(0, 0.1), draw.exponential(0.03)
        changes = {n: Blocks.of(draw.normal(centre, wide, count)) for n in names}
        nulls = {n: Blocks.of(draw.normal(draw.normal(0, 0.04), wide, count)) for n in names}
        none = {n: Blocks(count, 0.0, b.standard_error) for n, b in nulls.items()}
        with_, without = states_of(changes, nulls, rule), states_of(changes, none, rule)
        for name in names:
            outside = abs(nulls[name].mean) > math.log1p(rule.tolerance)
            if with_[name][0] in ("SLOWER", "FASTER"):
                assert without[name][0] == with_[name][0]
                found += outside
            assert not (outside and with_[name][0] == "SAME")
            if not any(abs(b.mean) > math.log1p(rule.tolerance) for b in nulls.values()):
                assert with_ == without
    assert found > 5, "some are rejected in spite of their null arm"


@pytest.mark.parametrize(
    ("logs", "planned", "words"),
    [
        # As a real duet of three blocks, +174 %: too few for any rule at 1 %.
        ([0.9, 1.008, 1.116], 20, "about 7 blocks would decide (more --minutes)"),
        ([1.0], 20, "about 6 blocks would decide (more --minutes)"),
        ([0.1, 0.0, 0.1, 0.2], 4, "would decide (more --minutes and --blocks-max="),
        (
            [0.0295, 0.0285, 0.0305],
            20,
            "(a quieter machine, more --minutes or a larger --tolerance)",
        ),
    ],
)
def test_too_few_blocks_are_told_with_how_many_decide(logs, planned, words):
    found = verdict(*[block(0.02, 0.02 * math.exp(log), 0.02) for log in logs],
                    rule=Rule(planned=planned))  # fmt: skip
    assert found.state == "INCONCLUSIVE"
    assert words in found.sentence


@pytest.mark.parametrize("logs", [[0.9, 1.0, 1.116], [0.0, 0.015, -0.015], [0.12, 0.07, 0.1, 0.08]])
def test_that_many_blocks_do_decide(logs):
    """Where the blocks go on as they began, the told count is near the one that it takes."""

    def played(count):
        return [block(0.02, 0.02 * math.exp(log), 0.02) for log in (logs * count)[:count]]

    needed = verdict(*played(len(logs))).figures["blocks_to_decide"]
    taken = next(n for n in range(2, 60) if verdict(*played(n)).state != "INCONCLUSIVE")
    assert abs(taken - needed) <= 3


@pytest.mark.thorough
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_shifted_null_arm_fails_no_unchanged_suite_and_hides_no_slowdown(path):
    """Recorded blocks whose null arm is made slower or faster by 5 and 10 %.

    Head's change moves by half of that, with a null arm that says so.
    """
    recording = json.loads(path.read_text())
    null, planted = (logs_of(read_blocks(recording, share)) for share in ("0", "0.1"))
    for shift in (-0.05, 0.05):
        assert _failed(null, math.log1p(shift), flip=True) <= 0.02  # 1 % and its error
    assert _failed(planted, math.log1p(-0.05), flip=False) >= 0.9


def _failed(logs, shift, flip, gates=300):
    """The share of gates that fail. Both bases count in a change, so half of the shift is in it."""
    draw, failed = np.random.default_rng(1), 0
    for _ in range(gates):
        drawn = logs[:, draw.integers(0, logs.shape[1], 20)]
        if flip:
            drawn = drawn * draw.choice([-1.0, 1.0], (1, 20, 1))
        states, _ = gate(drawn + np.array([-shift / 2, shift]), Rule())
        failed += "SLOWER" in states
    return failed / gates
