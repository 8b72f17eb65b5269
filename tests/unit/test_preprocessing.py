"""Other pixels from the same image files: predictions are compared, and doubt is no SAME."""

import pytest

from tests.helpers.reports import TINY, agreement_of
from tests.unit.test_gate import FP32, INT8, run, timed
from vitbench.cli.main import main
from vitbench.duet.block import Block
from vitbench.duet.rule import Rule
from vitbench.duet.verdicts import Played, conclude
from vitbench.gate.judgement import judge_report
from vitbench.gate.times import Rules

COUNT = 32
AS_BEFORE = [0] * COUNT


def digests(files="f", pixels="p"):
    return {
        "source": "photos", "count": COUNT, "photographs": COUNT, "files_sha256": files * 64,
        "pixels_sha256": pixels * 64, "labelled": False, "labels_sha256": None,
    }  # fmt: skip


def report(fp32=AS_BEFORE, int8=AS_BEFORE, images=None, **agreement):
    """Two cases of 32 images. Without `images` it is of schema 1, whose digest is "old"."""
    rows = [timed(FP32, 1.0, **agreement), timed(**agreement)]
    for row, top1 in zip(rows, (fp32, int8), strict=True):
        row["extra_info"]["predictions"] = {
            "images": [f"image-{index}" for index in range(COUNT)], "top1": top1,
            "margin": [1.0] * COUNT,
        }  # fmt: skip
        row["extra_info"]["agreement"] |= {"images": COUNT, "effective_images": float(COUNT)}
    made = run(*rows)
    model = dict(made["vitbench"]["models"][TINY])
    if images:
        model["images"] = images
    made["vitbench"]["models"] = {TINY: model}
    return made


def old(report, sha256):
    report["vitbench"]["images"] = report["vitbench"]["images"] | {"sha256": sha256}
    return report


def flipped(count):
    return [7] * count + [0] * (COUNT - count)


def judged(head, base):
    found = judge_report(head, [base], Rules())
    return {each.case: each for each in found.verdicts}, " | ".join(found.notes)


BASE = {"images": digests()}
OTHER_PIXELS = {"images": digests(pixels="q")}
OTHER_FILES = {"images": digests("g", "q")}


@pytest.mark.parametrize("count", [COUNT, 20])
def test_predictions_that_another_preprocessing_changed_are_drift(count):
    """Float32 sees the same wrong pixels as the case, so that their agreement is 100 %."""
    head = report(flipped(count), flipped(count), **OTHER_PIXELS)
    found, notes = judged(head, report(**BASE))
    assert {case: each.state for case, each in found.items()} == dict.fromkeys(
        (FP32, INT8), "DRIFTED"
    )
    for each in found.values():
        assert "the preprocessing changed: the model gets other pixels" in each.sentence
    assert "not compared" not in notes


@pytest.mark.parametrize("count", [6, 1])
def test_too_few_to_prove_it_is_inconclusive_for_the_reference_too(count):
    head = report(flipped(count), flipped(count), **OTHER_PIXELS)
    found, _ = judged(head, report(**BASE))
    assert {each.state for each in found.values()} == {"INCONCLUSIVE"}
    assert f"of 32 images {count} have another top-1" in found[INT8].sentence
    assert "within the tolerance" in found[INT8].sentence
    # The same predictions of the same pixels are no doubt: int8 may round otherwise.
    head = report(AS_BEFORE, flipped(count), **BASE)
    assert judged(head, report(**BASE))[0][INT8].state == "SAME"


def test_what_is_predicted_as_before_is_same_with_a_note():
    found, notes = judged(report(**OTHER_PIXELS), report(**BASE))
    assert {case: each.state for case, each in found.items()} == {INT8: "SAME"}
    assert f"{TINY}: the preprocessing changed" in notes
    assert "2 cases predict the same top-1 for every image" in notes


def test_a_slower_case_stays_slower_and_names_its_doubt():
    head = report(AS_BEFORE, flipped(6), **OTHER_PIXELS)
    head["benchmarks"][1]["extra_info"]["ratio"]["speedup"] = 1.0
    verdict = judged(head, report(**BASE))[0][INT8]
    assert verdict.state == "SLOWER"
    assert "the preprocessing changed" in verdict.sentence


def test_synthetic_weights_prove_nothing_either_way():
    for count, state in ((0, "SAME"), (1, "INCONCLUSIVE"), (COUNT, "INCONCLUSIVE")):
        head = report(flipped(count), flipped(count), claimed=False, **OTHER_PIXELS)
        assert judged(head, report(claimed=False, **BASE))[0][INT8].state == state


def test_other_files_are_not_compared_and_a_line_says_so():
    head = report(flipped(COUNT), flipped(COUNT), **OTHER_FILES)
    found, notes = judged(head, report(**BASE))
    assert found[INT8].state == "SAME"
    assert (
        "predictions are not compared: the two reports were verified on different images" in notes
    )


def test_each_model_has_its_own_preprocessing():
    head, base = report(flipped(6), flipped(6), **BASE), report(**BASE)
    for each, pixels in ((head, "q"), (base, "p")):
        models = each["vitbench"]["models"]
        models["other"] = models[TINY] | {"images": digests(pixels=pixels)}
    assert judged(head, base)[0][INT8].state == "SAME"


@pytest.mark.parametrize(("count", "state"), [(COUNT, "DRIFTED"), (6, "INCONCLUSIVE"), (0, "SAME")])
def test_old_reports_have_one_digest_and_are_compared_by_the_names_of_images(count, state):
    base = old(report(), "a" * 64)
    found, notes = judged(old(report(flipped(count), flipped(count)), "b" * 64), base)
    assert found[INT8].state == state
    words = found[INT8].sentence + notes
    assert "the preprocessing or the image files changed" in words
    # A new report still has the old digest, so that it is compared with an old one.
    new = old(report(AS_BEFORE, flipped(6), **OTHER_PIXELS), "a" * 64)
    assert judged(new, base)[0][INT8].state == "SAME"


def test_compare_names_it(reports_here, capsys):
    reports_here(
        a=report(**BASE), b=report(**OTHER_PIXELS), c=report(**OTHER_FILES),
        x=old(report(), "a" * 64), y=old(report(), "b" * 64),
    )  # fmt: skip
    for other, words in (("b", f"the preprocessing of {TINY}"), ("c", f"the images of {TINY}")):
        assert main(["compare", "a.json", f"{other}.json"]) == 0
        assert f"  B: {words}\n" in capsys.readouterr().out
    assert main(["compare", "x.json", "y.json"]) == 0
    assert "  B: the images\n" in capsys.readouterr().out


def prepared(top1=AS_BEFORE, sample="s", files="f", ids="image", **agreement):
    claims = agreement_of(images=COUNT, effective_images=float(COUNT), **agreement)
    predictions = {
        "sample": sample, "files": files, "ids": [f"{ids}-{index}" for index in range(COUNT)],
        "top1": top1, "truth": AS_BEFORE,
    }  # fmt: skip
    if files is None:
        del predictions["files"]
    return {"agreement": claims, "predictions": predictions}


@pytest.mark.parametrize(
    ("head", "state", "words"),
    [
        (prepared(flipped(COUNT), "t"), "DRIFTED", "the preprocessing changed"),
        (prepared(flipped(6), "t"), "INCONCLUSIVE", "the preprocessing changed"),
        (prepared(flipped(6), "t", claimed=False), "INCONCLUSIVE", "synthetic weights"),
        (prepared(AS_BEFORE, "t"), "SAME", "all 32 images have the same top-1 as before"),
        (prepared(flipped(6), "t", None), "INCONCLUSIVE", "preprocessing or the image files"),
        (prepared(flipped(COUNT), "t", "g"), "SAME", "verified on different images"),
        (prepared(flipped(COUNT), "t", ids="x"), "SAME", "verified on different images"),
        (prepared(flipped(6)), "SAME", "inside the tolerance"),
        (prepared(), "SAME", "inside the tolerance"),
    ],
)
def test_a_duet_sees_it_too(head, state, words):
    case = f"{TINY}/int8-dynamic/cpu/b1"
    noise = [0.02 * (1 + 0.001 * (index % 3 - 1)) for index in range(12)]
    blocks = [Block(noise, noise[::-1], noise)] * 20
    sides = {"base": {case: prepared()}, "head": {case: head}}
    played = Played([case], sides, {"base": {}, "head": {}}, {}, {case: blocks})
    (verdict,) = conclude(played, Rule())
    assert verdict.state == state, verdict.sentence
    assert words in verdict.sentence


def test_other_pixels_and_no_image_in_common_are_no_same():
    head = report(**OTHER_PIXELS)
    for each in head["benchmarks"]:
        each["extra_info"]["predictions"]["images"] = [f"other-{index}" for index in range(COUNT)]
    found, _ = judged(head, report(**BASE))
    assert [each.state for each in found.values()] == ["INCONCLUSIVE", "INCONCLUSIVE"]
    assert "no image was predicted in both reports" in found[INT8].sentence
