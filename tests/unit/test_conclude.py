"""A duet's verdicts beside the times: drift, what one side does not have, grown operators."""

from dataclasses import replace

import pytest

from tests.unit.test_sequential import block
from vitbench.duet.rule import Rule
from vitbench.duet.verdicts import Played, conclude
from vitbench.judge.verdict import exit_code

CASE = "m/v/cpu/b1"


def answer(state="KEPT", top1=(1,) * 40, truth=(1,) * 40, ids=None, claimed=True):
    return {
        "agreement": {
            "state": state,
            "sentence": f"top-1 differs: {state}",
            "claimed": claimed,
            "images": len(truth),
            "effective_images": float(len(truth)),
        },
        "predictions": {
            "ids": ids or [str(i) for i in range(len(truth))],
            "top1": list(top1),
            "truth": list(truth),
        },
    }


def played(base=None, head=None, failed=None, **absent):
    blocks = [block(0.0, noise=0.01, seed=seed) for seed in range(20)]
    return Played(
        [CASE],
        {"base": {CASE: base} if base else {}, "head": {CASE: head} if head else {}},
        {side: {CASE: absent[side]} if side in absent else {} for side in ("base", "head")},
        {CASE: failed} if failed else {},
        {CASE: blocks},
    )


def verdict(*given, **more):
    (found,) = conclude(played(*given, **more), Rule())
    return found


def test_equal_sides_are_judged_by_their_times():
    assert verdict(answer(), answer()).state == "SAME"


def test_a_broken_head_drifted_and_a_broken_base_is_no_yardstick():
    found = verdict(answer(), answer("BROKEN"))
    assert found.state == "DRIFTED"
    assert "the predictions of head are wrong: top-1 differs" in found.sentence
    assert verdict(answer("BROKEN"), answer()).state == "INCOMPARABLE"
    assert verdict(answer("BROKEN"), answer("BROKEN")).state == "INCOMPARABLE"


def test_a_head_that_fails_drifted_and_one_that_base_has_not_got_is_told():
    both = Played([CASE], {"base": {CASE: answer()}, "head": {}}, {"base": {}, "head": {}}, {}, {},
                  {CASE: "the build was killed"})  # fmt: skip
    (found,) = conclude(both, Rule())
    assert (found.state, found.sentence) == (
        "DRIFTED",
        "head fails: the build was killed",
    )
    assert not both.timed(CASE)
    new = Played([CASE], {"base": {}, "head": {}}, {"base": {CASE: "no such variant"}, "head": {}},
                 {}, {}, {CASE: "the build was killed"})  # fmt: skip
    (found,) = conclude(new, Rule())
    assert found.state == "INCOMPARABLE"
    assert "head fails at it: the build was killed" in found.sentence


def test_what_drifted_is_not_timed():
    assert played(answer(), answer()).timed(CASE)
    assert not played(answer(), answer(top1=(2,) * 7 + (1,) * 33)).timed(CASE)
    assert not played(answer(), answer("BROKEN")).timed(CASE)


@pytest.mark.parametrize(("lost", "state"), [(0, "SAME"), (6, "SAME"), (7, "DRIFTED")])
def test_predictions_lost_on_many_images_drift(lost, state):
    """One-sided: seven losses and no win have p = 1/128 < 1 %, six 1/64 > 1 %."""
    head = answer(top1=(2,) * lost + (1,) * (40 - lost))
    found = verdict(answer(), head)
    assert found.state == state, found.sentence
    if lost == 7:
        assert "of 40 images 7 lost the top-1 of base's float32, and 0 gained it" in found.sentence


def test_flips_of_synthetic_weights_are_chance():
    found = verdict(answer(claimed=False), answer(top1=(2,) * 40, claimed=False))
    assert found.state == "SAME"


def test_predictions_won_are_no_drift():
    base = answer(top1=(2,) * 20 + (1,) * 20)
    assert verdict(base, answer()).state == "SAME"


def test_other_images_cannot_be_held_against_each_other():
    other = answer(top1=(2,) * 40, ids=[f"other {i}" for i in range(40)])
    assert verdict(answer(), other).state == "SAME"


@pytest.mark.parametrize(
    ("given", "state", "code"),
    [
        ({"base": "no such variant", "head": "no such variant"}, "INCOMPARABLE", 2),
        ({"base": "no such variant"}, "NEW", 2),
        ({"head": "the build worker was killed"}, "MISSING", 3),
    ],
)
def test_what_one_side_does_not_have_is_said(given, state, code):
    sides = {side: None if side in given else answer() for side in ("base", "head")}
    found = conclude(
        Played(
            [CASE],
            {side: {CASE: got} if got else {} for side, got in sides.items()},
            {side: {CASE: given[side]} if side in given else {} for side in sides},
            {},
            {},
        ),
        Rule(),
    )
    assert [v.state for v in found] == [state]
    assert next(iter(given.values())) in found[0].sentence
    assert exit_code(found) == code


def slower(change):
    return [block(change, noise=0.005, seed=seed) for seed in range(18)]


@pytest.mark.parametrize(
    ("change", "state"), [(0.2, "SLOWER"), (-0.2, "FASTER"), (0.0, "INCONCLUSIVE")]
)
def test_a_crash_leaves_what_the_finished_blocks_show(change, state):
    """18 blocks, then a crash. What crashes now and then is never the same."""
    crash = "block 19: the head worker was killed by SIGSEGV"
    without = replace(played(answer(), answer()), blocks={CASE: slower(change)})
    (found,) = conclude(replace(without, stopped={CASE: crash}), Rule())
    assert found.state == state
    assert found.sentence.endswith(f". No more blocks: {crash}")
    (expected,) = conclude(without, Rule())
    assert expected.state == ("SAME" if change == 0 else state)
    assert (found.change, found.figures["blocks"]) == (expected.change, 18)


def test_without_a_finished_block_a_lost_worker_leaves_its_case_undecided():
    none = replace(played(answer(), answer(), failed="the head worker was killed"), blocks={})
    (found,) = conclude(none, Rule())
    assert (found.state, found.sentence) == ("INCONCLUSIVE", "the head worker was killed")
    assert exit_code([found], inconclusive_fails=True) == 3
    assert exit_code([found], inconclusive_fails=False) == 2, "nothing was compared"
    few = replace(none, stopped={}, blocks={CASE: [block(0.0)] * 1})
    assert exit_code(conclude(few, Rule()), inconclusive_fails=False) == 0


def test_finished_blocks_of_a_case_whose_predictions_drifted_say_nothing():
    drifted = replace(played(answer(), answer("BROKEN")), stopped={CASE: "it crashed"})
    assert [v.state for v in conclude(drifted, Rule())] == ["DRIFTED"]


def made_by(function, sha256):
    transform = {"transform": {"function": function, "sha256": sha256}} if function else {}
    return {**answer(), "artifact": {"sha256": "a", "bytes": 1, **transform}}


def test_other_weights_are_named():
    then, now = ({**answer(), "weights": digit * 64} for digit in "ab")
    words = f". The weights differ: sha256 {'a' * 12} in base, {'b' * 12} in head"
    assert verdict(then, now).sentence.endswith(words)
    drifted = verdict(then, {**now, **answer(top1=(2,) * 40)})
    assert (drifted.state, drifted.sentence.endswith(words)) == ("DRIFTED", True)
    for base in (now, answer()):  # that of an older vitbench has no digest
        assert "weights differ" not in verdict(base, now).sentence


def test_another_source_of_a_transform_is_named():
    then, now = made_by("acme.quant:smooth", "a" * 64), made_by("acme.quant:smooth", "b" * 64)
    found = verdict(then, now)
    assert found.state == "SAME"
    assert found.sentence.endswith(
        f". The source of the transform differs: acme.quant:smooth, sha256 {'a' * 12}, in base, "
        f"and acme.quant:smooth, sha256 {'b' * 12}, in head"
    )
    for side in (now, made_by(None, "")):
        assert "transform" not in verdict(side, side).sentence
    assert "transform" not in verdict(made_by(None, ""), now).sentence
