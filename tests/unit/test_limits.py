"""Limits of a variant, on measurements written by hand."""

import json
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vitbench.case import Limits
from vitbench.heads.words import percent, round_down
from vitbench.judge.agreement import OF_SOME_HEADS, Agreement, doomed, judge_agreement
from vitbench.judge.reference import by_identity

INT8 = Limits(agreement=0.96, relative_error=0.15, cosine=0.99, reason="")
FP32 = Limits(agreement=0.99, relative_error=1e-3, cosine=0.9999, reason="")
SUBJECT = "int8-dynamic on cpu, batch 8"
NAMES = ["lemon", "orange, sweet orange", "tench, Tinca tinca"]


def measured_of(hits, total=None, clusters=None, delta=0.01, cosine=0.999, margin=None, **changes):
    """`hits` so far of `total` images. A reference's logits have length 1, a delta's `delta`."""
    done = len(hits)
    total = done if total is None else total
    return {
        "total": total,
        "clusters": clusters or [f"photo{index}" for index in range(total)],
        "synthetic": False,
        "problem": None,
        "top1": [0 if hit else 1 for hit in hits],
        "reference_top1": [0] * done,
        "margin": margin or [0.5] * done,
        "cosine": [cosine] * done,
        "delta_square": [delta**2] * done,
        "reference_square": [1.0] * total,
        "spread_square": [0.1] * total,
        "top1_hits": None, "top5_hits": None,
        "reference_top1_hits": None, "reference_top5_hits": None,
        "class_names": NAMES,
        **changes,
    }  # fmt: skip


def flips(wrong, images):
    return [index >= wrong for index in range(images)]


def test_the_sentence_of_kept_limits():
    margin = [0.5] * 500
    margin[0], margin[1] = 0.02, 0.3
    judged = judge_agreement(measured_of(flips(2, 500), margin=margin), INT8, SUBJECT)
    assert judged.sentence == (
        "int8-dynamic on cpu, batch 8: top-1 differs on 2 of 500 images "
        "(lemon to orange, margin 0.30; lemon to orange, margin 0.02); "
        "99.6 %, lower bound 98.7 %, limit 96 %: KEPT"
    )
    assert (judged.state, judged.matched, judged.images, judged.share) == ("KEPT", 498, 500, 0.996)
    assert judged.effective_images == 500


@pytest.mark.parametrize(
    ("measured", "state", "lower"),
    [
        (measured_of([True] * 9), "KEPT", 1),
        (measured_of(flips(1, 9)), "UNPROVEN", 0.571),  # it does not repeat itself
        (measured_of([True] * 9, problem="1 of 9 outputs are not finite"), "BROKEN", 0.717),
    ],
)
def test_the_reference_agrees_with_itself_by_identity(measured, state, lower):
    judged = by_identity(judge_agreement(measured, INT8, "fp32 on cpu"), "fp32 on cpu")
    assert (judged.state, round(judged.lower, 3)) == (state, lower)
    assert ("is the agreement reference" in judged.sentence) is (state == "KEPT")


def test_only_the_two_surest_flips_are_named():
    margin = [0.1, 2.0, 0.2, 3.0, *[0.5] * 496]
    sentence = judge_agreement(measured_of(flips(4, 500), margin=margin), INT8, "x").sentence
    assert "(lemon to orange, margin 3.00; lemon to orange, margin 2.00)" in sentence


@pytest.mark.parametrize(
    ("limits", "images", "state"),
    [(FP32, 299, "KEPT"), (FP32, 298, "UNPROVEN"), (INT8, 74, "KEPT"), (INT8, 73, "UNPROVEN")],
)
def test_how_many_images_without_a_flip_keep_the_limits(limits, images, state):
    judged = judge_agreement(measured_of([True] * images, delta=1e-4, cosine=1.0), limits, "x")
    assert judged.state == state
    if state == "UNPROVEN":
        needed = {0.99: 299, 0.96: 74}[limits.agreement]
        assert f"UNPROVEN ({limits.agreement:.0%}".replace("%", " %") in judged.sentence
        assert f"needs {needed} independent images without a flip" in judged.sentence


def test_a_limit_of_all_images_is_unproven():
    limits = Limits(agreement=1.0, relative_error=1, cosine=0, reason="")
    sentence = judge_agreement(measured_of([True] * 9), limits, "x").sentence
    assert sentence.endswith("UNPROVEN (no number of images proves 100 %)")


def test_crops_of_few_photographs_prove_less():
    clusters = [f"photo{index % 12}" for index in range(256)]
    judged = judge_agreement(measured_of([True] * 256, clusters=clusters), INT8, "x")
    assert judged.state == "UNPROVEN"
    assert judged.effective_images == pytest.approx(42.7, abs=0.1)
    assert "0 of 256 images worth 43 independent ones" in judged.sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"problem": "3 of 8 outputs are not finite"}, "x: 3 of 8 outputs are not finite: BROKEN"),
        ({"cosine": 0.98}, "x: mean cosine 0.98000, limit at least 0.99: BROKEN"),
        ({"delta": 0.3}, "x: relative logit error 0.3, limit at most 0.15: BROKEN"),
        ({"cosine": math.nan}, "mean cosine nan"),
        ({"delta": math.nan}, "relative logit error nan"),
        ({"delta": math.inf}, "relative logit error inf"),
        ({"delta": 0.3, "cosine": 0.9}, "mean cosine 0.90000, limit at least 0.99; relative"),
    ],
)
@pytest.mark.parametrize("synthetic", [True, False])
def test_a_broken_limit_is_named_with_its_value(changes, words, synthetic):
    measured = measured_of([True] * 100, synthetic=synthetic, **changes)
    judged = judge_agreement(measured, INT8, "x")
    assert judged.state == "BROKEN"
    assert words in judged.sentence
    assert doomed(measured, INT8)


def test_too_many_flips_break_the_limits():
    judged = judge_agreement(measured_of(flips(60, 100)), INT8, "x")
    assert judged.state == "BROKEN"
    assert "top-1 differs on 60 of 100 images" in judged.sentence
    assert "40.0 %, upper bound 48.7 %, limit 96 %: BROKEN" in judged.sentence


def test_between_the_bounds_nothing_is_proven():
    assert judge_agreement(measured_of(flips(5, 100)), INT8, "x").state == "UNPROVEN"


def test_synthetic_weights_keep_by_numbers_and_claim_nothing():
    judged = judge_agreement(measured_of(flips(14, 100), synthetic=True), INT8, "x")
    assert judged.sentence == (
        "x: cosine 0.99900, relative logit error 0.01, limits 0.99 and 0.15; "
        "synthetic weights, so that agreement (86.0 % of 100 images) is not claimed: KEPT"
    )
    assert (judged.state, judged.claimed, judged.share) == ("KEPT", False, 0.86)
    assert judge_agreement(measured_of(flips(14, 100)), INT8, "x").state == "BROKEN"


def test_relative_error_is_over_all_logits_not_the_mean_of_images():
    measured = measured_of([True, True], delta_square=[0.09, 0.16], reference_square=[1.0, 24.0])
    judged = judge_agreement(measured, INT8, "x")
    assert judged.relative_error == pytest.approx(math.sqrt(0.25 / 25))


def test_accuracy_where_there_are_labels():
    measured = measured_of(
        [True] * 4, top1_hits=[True, False, True, True], top5_hits=[True] * 4,
        reference_top1_hits=[True, False, False, True], reference_top5_hits=[True] * 4,
    )  # fmt: skip
    judged = judge_agreement(measured, INT8, "x")
    assert (judged.top1, judged.top5, judged.reference_top1) == (0.75, 1.0, 0.5)
    unlabelled = judge_agreement(measured_of([True] * 4), INT8, "x")
    assert (unlabelled.top1, unlabelled.top5, unlabelled.reference_top1) == (None, None, None)


def test_a_problem_before_the_first_image():
    measured = measured_of([], total=8, problem="output has shape (8, 10), expected (8, 20)")
    judged = judge_agreement(measured, INT8, "x")
    assert judged.sentence == (
        "x: stopped after 0 of 8 images: output has shape (8, 10), expected (8, 20): BROKEN"
    )
    assert (judged.lower, judged.upper) == (0, 1)
    written = json.loads(json.dumps(judged.to_json(), allow_nan=False))
    known = {field.name for field in fields(Agreement)}
    assert set(written) == known - {*OF_SOME_HEADS}
    assert written["share"] is written["cosine"] is written["relative_error"] is None


def test_nothing_measured_is_no_agreement():
    with pytest.raises(ValueError, match="at least one image"):
        judge_agreement(measured_of([], total=8), INT8, "x")
    assert not doomed(measured_of([], total=8), INT8)


def test_doomed_waits_until_the_rest_cannot_save_it():
    stopped = [k for k in range(101) if doomed(measured_of([False] * k, total=100), INT8)]
    first = stopped[0]
    assert stopped == list(range(first, 101))
    rest = [True] * (100 - first)
    assert judge_agreement(measured_of([False] * first + rest), INT8, "x").state == "BROKEN"
    saved = measured_of([False] * (first - 1) + [True, *rest])
    assert judge_agreement(saved, INT8, "x").state != "BROKEN"


def test_doomed_by_numbers_counts_the_images_still_to_come():
    assert not doomed(measured_of([True] * 9, total=100, delta=0.3), INT8)
    assert doomed(measured_of([True] * 30, total=100, delta=0.3), INT8)
    assert not doomed(measured_of([True] * 9, total=100, cosine=0.9), INT8)
    assert doomed(measured_of([True] * 11, total=100, cosine=0.9), INT8)


def test_synthetic_weights_are_never_doomed_by_flips():
    assert not doomed(measured_of([False] * 100, synthetic=True), INT8)


def test_a_stopped_measurement_is_broken_and_says_where_it_stopped():
    """Even where the images so far are of one photograph, worth one image."""
    clusters = ["cat"] * 100 + [f"photo{index}" for index in range(200)]
    measured = measured_of(flips(90, 100), total=300, clusters=clusters)
    assert doomed(measured, INT8)
    judged = judge_agreement(measured, INT8, "x")
    assert (judged.state, judged.effective_images) == ("BROKEN", 1)
    assert judged.sentence.startswith("x: stopped after 100 of 300 images: top-1 differs on 90")
    assert judged.upper < INT8.agreement


def test_doomed_counts_on_flips_that_may_turn_out_to_go_by_photograph():
    """Ten of a hundred images differ. All of one photograph, the final verdict is no BROKEN."""
    clusters = [f"photo{index // 10}" for index in range(100)]
    assert judge_agreement(measured_of(flips(10, 100), clusters=clusters), INT8, "x").state == (
        "UNPROVEN"
    )
    assert not doomed(measured_of(flips(10, 12), total=100, clusters=clusters), INT8)


@given(st.data())
def test_what_is_doomed_ends_broken_whatever_the_rest_gives(data):
    total = data.draw(st.integers(1, 60))
    photographs = data.draw(st.integers(1, 30))
    shares = data.draw(st.tuples(st.floats(0, 1), st.floats(0, 1)))
    done = data.draw(st.integers(0, total))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    clusters = [str(value) for value in rng.integers(0, photographs, total)]
    start, rest = rng.random(done) < shares[0], rng.random(total - done) < shares[1]
    deltas = rng.random(total) * data.draw(st.sampled_from([0.01, 0.3, 2.0]))

    def partial(hits):
        squares = [float(value) ** 2 for value in deltas[: len(hits)]]
        return measured_of(hits, total=total, clusters=clusters, delta_square=squares)

    early = partial(list(start))
    assume(doomed(early, INT8))
    final = judge_agreement(partial([*start, *rest]), INT8, "x")
    assert final.state == "BROKEN"
    if done:
        assert judge_agreement(early, INT8, "x").state == "BROKEN"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.9597, "95.9 %"), (0.57, "57.0 %"), (1.0, "100.0 %"), (0.9999, "99.9 %")]
)
def test_per_cent_is_rounded_down(value, shown):
    assert percent(value) == shown


def test_round_down_of_what_is_no_number():
    assert round_down(math.nan, 2) == "nan"
    assert round_down(-math.inf, 2) == "-inf"
