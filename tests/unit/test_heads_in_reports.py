"""What reports, gates, contracts and predictions make of each head."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.reports import benchmark_of, report_of
from tests.unit.test_conclude import answer, verdict
from tests.unit.test_contract_results import contracts, states  # noqa: F401 - a fixture
from tests.unit.test_gate import FP32, IMAGES, INT8, TINY, run, timed, verdicts
from tests.unit.test_heads import OTHERS, OUTPUTS, reference_of, swapped
from tests.unit.test_heads import verdict as judged
from vitbench.errors import UserError, WrongOutputs
from vitbench.gate.judgement import judge_report
from vitbench.gate.times import Rules
from vitbench.heads import HEADS, Spoken
from vitbench.judge.best import choose
from vitbench.judge.reference import by_identity
from vitbench.measure.flips import surest_flips
from vitbench.measure.inputs import Inputs
from vitbench.measure.outputs import Reading, Witness
from vitbench.measure.verification import Verification, answers_of
from vitbench.models import Label, Model, ModelSpec, Weights
from vitbench.models.heads import settled
from vitbench.report.reader import rows
from vitbench.report.sound import left_out
from vitbench.runtimes.limits import INT8 as LIMITS
from vitbench.show.page_data import columns as page_columns
from vitbench.show.table import table

REGRESSION = {"share": None, "cosine": None, "top1": None, "top5": None, "reference_top1": None,
              "head": "regression", "relative_error": 0.03, "error": 0.03, "error_upper": 0.04,
              "lower": 0.0, "upper": 1.0}  # fmt: skip
EMBEDDING = {**REGRESSION, "head": "embedding", "share": 0.95, "lower": 0.91, "error": None,
             "error_upper": None, "centred_cosine": 0.9987}  # fmt: skip
MULTI_LABEL = {"head": "multi-label", "cosine": None, "top1": None, "top5": None}


def row(case=INT8, answers=None, tolerance=(), **agreement):
    """A case timed in pairs, with answers to 200 images."""
    found = timed(case, 1.0 if case == FP32 else 2.0)
    found["extra_info"]["agreement"] |= agreement
    if answers is not None:
        found["extra_info"]["predictions"] = {
            "images": IMAGES, "top1": [], "margin": [], "answers": answers,
            "tolerance": list(tolerance),
        }  # fmt: skip
    return found


def headed(head, *benchmarks, **more):
    report = run(*benchmarks)
    model = {**report["vitbench"]["models"][TINY], "head": head, **more}
    report["vitbench"]["models"] = {TINY: model}
    return report


VALUES = [[float(at), 0.5 * at] for at in range(200)]
SETS = [[at % 3, 5] for at in range(200)]
NEIGHBOURS = [f"image-{(at + 1) % 200}" for at in range(200)]


def changed(answers, count, change):
    return [change(each) if at < count else each for at, each in enumerate(answers)]


@pytest.mark.parametrize(
    ("figures", "answers", "tolerance", "small", "large", "noun"),
    [
        (REGRESSION, VALUES, (3.0, 1.5), lambda v: [v[0] + 2, v[1]], lambda v: [v[0], v[1] + 2],
         "value"),
        (MULTI_LABEL, SETS, (), lambda v: v, lambda v: v[:1], "set of labels"),
        (EMBEDDING, NEIGHBOURS, (), lambda v: v, lambda v: v[:-1] + "x", "nearest neighbour"),
    ],
)  # fmt: skip
def test_a_gate_sees_that_answers_changed(figures, answers, tolerance, small, large, noun):
    def report(now):
        fp32, int8 = row(FP32, answers, tolerance, **figures), row(INT8, now, tolerance, **figures)
        return headed(figures["head"], fp32, int8)

    before = report(answers)
    assert left_out(before) == ()
    assert verdicts(report(changed(answers, 200, small)), before)[INT8].state == "SAME"
    found = verdicts(report(changed(answers, 40, large)), before)[INT8]
    assert found.state == "DRIFTED"
    assert f"lost the {noun} of the baseline's float32" in found.sentence
    few = verdicts(report(changed(answers, 3, large)), before)[INT8]
    assert few.state == "SAME"


def test_nearest_neighbours_among_other_images_are_not_compared():
    fp32 = row(FP32, NEIGHBOURS, **EMBEDDING)
    before = headed("embedding", fp32, row(INT8, NEIGHBOURS, **EMBEDDING))
    fewer = row(INT8, NEIGHBOURS[:150], **EMBEDDING)
    fewer["extra_info"]["predictions"]["images"] = IMAGES[:150]
    fewer["extra_info"]["predictions"]["answers"] = ["image-0"] * 150
    found = judge_report(headed("embedding", fp32, fewer), [before], Rules(tolerance=0.1))
    assert [each.state for each in found.verdicts] == ["SAME"]
    assert any("predictions are not compared" in note for note in found.notes)


@pytest.mark.parametrize(
    ("head", "more", "words"),
    [
        ("binary", {}, f"head of {TINY} single-label -> binary"),
        ("single-label", {"threshold": 0.4}, f"threshold of {TINY} 0.5 -> 0.4"),
    ],
)
def test_reports_of_two_heads_are_incomparable(head, more, words):
    found = verdicts(headed(head, row(FP32), row(INT8), **more), run(row(FP32), row(INT8)))[INT8]
    assert found.state == "INCOMPARABLE"
    assert words in found.sentence


def test_a_report_without_a_head_is_single_label():
    old = run(row(FP32), row(INT8))
    assert verdicts(headed("single-label", row(FP32), row(INT8)), old)[INT8].state == "SAME"
    (only,) = rows(report_of(benchmark_of(INT8)))
    assert only.timed.agreement.head == "single-label"


def duet_answer(head="single-label", answers=VALUES[:40], now=None, tolerance=()):
    found = answer(top1=now or answers, truth=answers)
    found["agreement"]["head"] = head
    found["predictions"]["tolerance"] = list(tolerance)
    return found


def test_a_duet_compares_by_the_head():
    base = duet_answer("regression", tolerance=(3.0, 1.5))
    near = [[a + 1, b] for a, b in VALUES[:40]]
    far = [[a + 9, b] for a, b in VALUES[:40]]
    assert verdict(base, duet_answer("regression", now=near)).state == "SAME"
    found = verdict(base, duet_answer("regression", now=far))
    assert found.state == "DRIFTED"
    assert "40 lost the value" in found.sentence
    other = verdict(answer(), duet_answer("binary", answers=[1] * 40))
    assert other.state == "INCOMPARABLE"
    assert "the head of the model is single-label in base and binary in head" in other.sentence


@pytest.mark.parametrize(
    ("figures", "label", "words"),
    [
        ({}, "agreement", "99.6 % >= 98.7 % KEPT"),
        (REGRESSION, "error", "err 0.03 <= 0.04 KEPT"),
        (EMBEDDING, "neighbours", "95.0 % >= 91.0 %, cos 0.9987 KEPT"),
        (MULTI_LABEL, "agreement", "99.6 % >= 98.7 % KEPT"),
        ({**REGRESSION, "claimed": False}, "error", "err 0.03 KEPT (synthetic)"),
        ({**MULTI_LABEL, "claimed": False}, "agreement", "err 0.031 KEPT (synthetic)"),
    ],
)
def test_the_table_has_the_figures_of_the_head(figures, label, words):
    report = headed(figures.get("head", "single-label"), row(FP32, **figures), row(**figures))
    lines = table(report, 200).splitlines()
    assert sum(words in line for line in lines) == 2
    assert any(label in line.split() for line in lines)


@pytest.mark.parametrize(
    ("figures", "clause", "state"),
    [
        (REGRESSION, "error <= 0.05", "KEPT"),
        (REGRESSION, "error <= 0.035", "UNPROVEN"),
        (REGRESSION, "error <= 0.02", "BROKEN"),
        ({**REGRESSION, "claimed": False}, "error <= 0.05", "UNPROVEN"),
        (REGRESSION, "agreement >= 0.9", "UNPROVEN"),
        (REGRESSION, "cosine >= 0.9", "UNPROVEN"),
        (EMBEDDING, "cosine >= 0.998", "KEPT"),
        (EMBEDDING, "cosine >= 0.999", "BROKEN"),
        (EMBEDDING, "agreement >= 0.9", "KEPT"),
        (EMBEDDING, "error <= 0.1", "UNPROVEN"),
    ],
)
def test_contracts_are_about_the_figures_of_the_head(contracts, figures, clause, state):  # noqa: F811
    found = contracts(f'"*" = ["{clause}"]')
    assert states(found, headed(figures["head"], row(**figures))) == [state]


def test_the_page_has_a_column_of_an_error_where_a_report_has_one():
    def names(value):
        return [
            name for name, *_ in page_columns(SimpleNamespace(column=lambda _: np.array([value])))
        ]

    assert {"error", "cosine"} <= {*names(0.1)}
    assert not {"error", "cosine"} & {*names(np.nan)}


def test_a_regression_that_keeps_its_limits_is_a_proven_choice():
    proven = headed("regression", row(FP32, **REGRESSION), row(**REGRESSION))
    (choice,) = choose(proven, "latency", 0.96)
    assert choice.best == INT8
    assert "proven" not in choice.sentence
    figures = {**REGRESSION, "state": "UNPROVEN"}
    (choice,) = choose(headed("regression", row(FP32, **figures), row(**figures)), "latency", 0.96)
    assert "that its values are right is not proven yet" in choice.sentence


@pytest.mark.parametrize("head", OUTPUTS)
def test_a_witness_of_each_head(head):
    """Of a device whose processes may choose other kernels: the limits decide, image by image."""
    reference = reference_of(head)
    verified, spread = reference[:16], reference.astype(float).std(0)
    reading = Reading() if head == "single-label" else Reading(head, 0.5, tuple(spread))
    near = (verified + 0.02 * LIMITS.relative_error * spread).astype(np.float32)
    Witness("x", verified, LIMITS, "cuda:0", reading).begin([near, near])
    Witness("x", verified, LIMITS, "cpu", reading).begin([verified, verified])
    far = np.argsort(reference[:16, 0])
    wrong = [swapped(verified, int(far[0]), int(far[-1])), verified * 2, -verified,
             np.tile(verified[:1], (16, 1))]  # fmt: skip
    for answers in wrong:
        for device in ("cuda:0", "cpu"):
            with pytest.raises(WrongOutputs):
                Witness("x", verified, LIMITS, device, reading).begin([answers, answers])


def test_a_witness_names_the_side_that_changed():
    verified = np.array([[2.0], [-1.0], [3.0]], np.float32)
    witness = Witness("x", verified, LIMITS, "cpu", Reading("binary", 0.5, (2.0,)))
    with pytest.raises(WrongOutputs, match="side of the threshold of 1 changed, of image 1"):
        witness.see(np.array([[2.0], [1.0], [3.0]], np.float32), "in a round")


@pytest.mark.parametrize(
    ("head", "outputs", "labels", "top", "lines"),
    [
        ("single-label", [0.0, 2.0], ["cat", "dog"], 1, ["    1   88.1%  dog"]),
        ("binary", [2.0], ["cat"], 1, [" 88.1% cat: cat (above 0.5)"]),
        ("binary", [-2.0], ["no", "yes"], 1, [" 11.9% yes: no (not above 0.5)"]),
        ("multi-label", [2.0, -2.0, 1.0], ["a", "b", "c"], 1,
         ["    0   88.1%  a", "    2   73.1%  c"]),
        ("multi-label", [-2.0, -3.0], ["a", "b"], 1,
         ["no label above 0.5", "    0   11.9%  a (not above 0.5)"]),
        ("regression", [41.5], [], 1, ["        41.5"]),
        ("regression", [41.5, 2.0], ["age", "height"], 1,
         ["        41.5  age", "           2  height"]),
        ("embedding", [3.0, 4.0], [], 1, ["2 numbers, norm 5: 3 4"]),
    ],
)  # fmt: skip
def test_what_a_user_reads_of_one_image(head, outputs, labels, top, lines):
    kind = HEADS[head]
    spoken = Spoken(kind.names(labels))
    assert kind.lines(np.array(outputs), spoken, top) == lines


def test_two_embeddings_of_one_image_are_compared():
    assert HEADS["embedding"].beside(np.array([3.0, 4.0]), np.array([4.0, 3.0])) == (
        "cosine with the first variant: 0.960000"
    )
    assert HEADS["binary"].beside(np.array([3.0]), np.array([4.0])) == ""


def model_of(head=None, threshold=None, labels=None, outputs=1, own="single-label"):
    spec = ModelSpec(
        "m", "py", "a:b", None, "py:a:b", head=head, threshold=threshold, labels=labels
    )
    numbered = tuple(Label(str(at), f"class {at}") for at in range(outputs))
    weights = Weights("seeded", "0", None, True, "")
    return Model(spec, None, {}, lambda image: image, numbered, weights, True, head=own)


@pytest.mark.parametrize(
    ("given", "names", "threshold"),
    [
        ({"head": "binary"}, ["no", "yes"], 0.5),
        ({"head": "binary", "labels": ("cat",), "threshold": 0.3}, ["cat"], 0.3),
        ({"head": "binary", "labels": ("dog", "cat")}, ["dog", "cat"], 0.5),
        ({"head": "regression"}, [], 0.5),
        ({"own": "embedding", "outputs": 0}, [], 0.5),
        ({"head": "multi-label", "outputs": 2}, ["class 0", "class 1"], 0.5),
    ],
)
def test_a_spec_settles_head_threshold_and_labels(given, names, threshold):
    found = settled(model_of(**given))
    assert found.head == given.get("head", given.get("own"))
    assert [label.name for label in found.labels] == names
    assert found.threshold == threshold


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"head": "softmax"}, "there is no head 'softmax': choose of single-label, binary"),
        ({"head": "regression", "threshold": 0.4}, "threshold belongs to the heads binary and"),
        ({"head": "binary", "threshold": 1.0}, "threshold = 1 is no probability"),
        ({"head": "binary", "labels": ("a", "b", "c")}, "the model takes 1 or 2 labels"),
        ({"head": "embedding", "labels": ("a",)}, "an embedding has no such names"),
    ],
)
def test_what_does_not_go_together_is_refused(given, said):
    with pytest.raises(UserError, match=said):
        settled(model_of(**given))


def inputs_of(head, folders, labels=("cat",), label_file=None):
    options = SimpleNamespace(images=SimpleNamespace(resolve=lambda: SimpleNamespace(name="x")),
                              labels=label_file, verify_images=9)  # fmt: skip
    names = tuple(Label(str(at), name) for at, name in enumerate(labels))
    model = replace(model_of(own=head), labels=names)
    inputs = Inputs(options, lambda _: model, lambda _: None)
    image = np.zeros((3, 2, 2), np.float32)
    model = replace(model, preprocess=lambda _: image)
    inputs.__dict__["_listing"] = SimpleNamespace(remarks=())
    inputs.__dict__["photos"] = [
        SimpleNamespace(id=f"{name}/1.png", folder=name, cluster=name, cut=True,
                        read=lambda: SimpleNamespace(info={}), digest=lambda: "d")
        for name in folders
    ]  # fmt: skip
    return inputs


def test_class_folders_of_each_head():
    assert inputs_of("binary", ["not cat", "cat"]).sample("m").labels == (0, 1)
    assert inputs_of("binary", ["0", "1"]).sample("m").labels == (0, 1)
    assert inputs_of("single-label", ["b", "a"], ("a", "b")).sample("m").labels == (1, 0)
    for head in ("multi-label", "regression", "embedding"):
        sample = inputs_of(head, ["a", "b"], ("a", "b")).sample("m")
        assert sample.labels is None
        assert "the class folders give no accuracy" in sample.remarks[0]
        with pytest.raises(UserError, match=f"it gives an image one class, .* m is {head}"):
            inputs_of(head, ["a", "b"], ("a", "b"), "labels.csv").sample("m")


def test_flips_of_each_head():
    photos = [SimpleNamespace(id=f"{at}.png") for at in range(3)]
    shared = {"class_names": ["cat", "dog"], "margin": [0.1, 2.0, 1.0], "own_margin": [1.0] * 3}
    sets = {**shared, "head": "multi-label", "chosen": [[0], [], [0, 1]],
            "reference_chosen": [[0], [1], [1]]}  # fmt: skip
    found = surest_flips(sets, photos, thumbnails=False)
    assert [(each["image"], each["reference_label"], each["label"]) for each in found] == [
        ("1.png", "dog", "no label"), ("2.png", "dog", "cat, dog"),
    ]  # fmt: skip
    assert surest_flips({"head": "regression", "class_names": []}, photos) == []


@pytest.mark.parametrize("head", OTHERS)
def test_the_reference_is_kept_by_identity_and_another_is_not(head):
    reference = reference_of(head, 16)
    measured = judged(head, reference, reference)
    same = by_identity(measured, "x")
    assert (same.state, same.lower) == ("KEPT", 1.0)
    other = replace(measured, share=15 / 16, relative_error=0.01)
    assert by_identity(other, "x") == other


def test_answers_are_told_so_that_another_run_understands_them():
    measured = {"head": "embedding", "neighbour": [2, 0, 1], "reference_neighbour": [1, 2, 0]}
    found = answers_of(Verification(None, measured, None), ["a", "b", "c"], LIMITS)
    assert found == (["c", "a", "b"], ["b", "c", "a"], [])
    measured = {"head": "regression", "values": [[1.0]], "reference_values": [[2.0]],
                "spread": [10.0]}  # fmt: skip
    assert answers_of(Verification(None, measured, None), ["a"], LIMITS)[2] == [1.5]
