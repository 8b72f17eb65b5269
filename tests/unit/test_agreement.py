import json

import numpy as np
import pytest

from vitbench.measure.agreement import compare, logits_of, repeatability
from vitbench.measure.sample import Sample
from vitbench.runtimes.base import Deployment

N, C = 10, 20
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(N, 3, 2, 4)).astype(np.float32)
WEIGHTS = RNG.normal(size=(24, C)).astype(np.float32)
REFERENCE = IMAGES.reshape(N, -1) @ WEIGHTS
LABELS = tuple(int(label) for label in REFERENCE.argmax(1))


def deployment(change=lambda logits: logits):
    return Deployment(
        stage=lambda images: images.reshape(len(images), -1),
        call=lambda staged: change(staged @ WEIGHTS),
        read=lambda output: np.array(output, np.float32),
    )


def measure(change=lambda logits: logits, batch=4, labels=LABELS, doomed=lambda _: False, **more):
    ids = tuple(f"photo-{index}" for index in range(N))
    sample = Sample(ids, ids, labels, IMAGES, "planted", "0")
    names = [f"class {index}" for index in range(C)]
    reference = more.pop("reference", REFERENCE)
    measured = compare(deployment(change), sample, reference, batch, names, True, doomed, **more)
    json.dumps(measured, allow_nan=False)
    return measured


def test_the_reference_agrees_with_itself():
    measured = measure()
    ranked = np.sort(REFERENCE, axis=1)
    assert measured["total"] == N
    assert measured["synthetic"] is True
    assert measured["problem"] is None
    assert measured["clusters"] == [f"photo-{index}" for index in range(N)]
    assert measured["class_names"][3] == "class 3"
    assert measured["top1"] == measured["reference_top1"] == list(LABELS)
    assert measured["cosine"] == pytest.approx([1] * N)
    assert measured["delta_square"] == pytest.approx([0] * N, abs=1e-9)
    assert measured["reference_square"] == pytest.approx(np.square(REFERENCE).sum(1), rel=1e-5)
    assert measured["margin"] == pytest.approx(ranked[:, -1] - ranked[:, -2], rel=1e-4)
    assert measured["own_margin"] == pytest.approx(measured["margin"], rel=1e-4)
    for key in ("top1_hits", "top5_hits", "reference_top1_hits", "reference_top5_hits"):
        assert measured[key] == [True] * N


def test_scaled_logits_keep_their_classes_but_not_their_size():
    measured = measure(lambda logits: 2 * logits)
    assert measured["top1"] == measured["reference_top1"]
    assert measured["cosine"] == pytest.approx([1] * N)
    assert measured["delta_square"] == pytest.approx(measured["reference_square"], rel=1e-4)
    assert measured["own_margin"] == pytest.approx(2 * np.array(measured["margin"]), rel=1e-4)


def test_rotated_classes_are_wrong():
    measured = measure(lambda logits: np.roll(logits, 1, axis=1))
    assert measured["top1"] == [(label + 1) % C for label in LABELS]
    assert measured["top1_hits"] == [False] * N
    assert measured["reference_top1_hits"] == [True] * N
    assert max(measured["cosine"]) < 0.9


def test_top5_is_among_the_first_five():
    order = np.argsort(-REFERENCE, axis=1)
    fifth, sixth = (tuple(int(row[place]) for row in order) for place in (4, 5))
    for labels, top5 in ((fifth, True), (sixth, False)):
        measured = measure(labels=labels)
        assert measured["top5_hits"] == measured["reference_top5_hits"] == [top5] * N
        assert measured["top1_hits"] == [False] * N


def test_no_labels_no_hits():
    measured = measure(labels=None)
    for key in ("top1_hits", "top5_hits", "reference_top1_hits", "reference_top5_hits"):
        assert measured[key] is None


def test_logits_of_zero_have_no_direction():
    assert measure(lambda logits: 0 * logits)["cosine"] == [0] * N


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_end_the_measuring(value):
    def spoil(logits):
        logits[1:, 7] = value
        return logits

    measured = measure(spoil)
    assert measured["problem"] == "3 of 4 outputs are not finite"
    assert measured["top1"] == []


def test_a_reference_that_is_not_finite_is_told_apart():
    reference = REFERENCE.copy()
    reference[9, 0] = np.inf
    sentence = measure(reference=reference)["problem"]
    assert sentence == "1 of 2 outputs of the reference are not finite"


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda logits: logits[:, :10], "(4, 10)"),
        (lambda logits: logits[:3], "(3, 20)"),
        (lambda logits: logits[:, None], "(4, 1, 20)"),
        (lambda logits: logits.ravel(), "(80,)"),
    ],
)
def test_a_wrong_shape_ends_the_measuring(change, shape):
    assert measure(change)["problem"] == f"output has shape {shape}, expected (4, 20)"


def test_doomed_is_asked_after_every_batch_and_stops():
    seen, told = [], []

    def doomed(measured):
        seen.append(len(measured["top1"]))
        return len(seen) == 2

    measured = measure(doomed=doomed, progress=lambda *done: told.append(done), batch=3)
    assert seen == [3, 6]
    assert told == [(3, 10), (6, 10)]
    assert measured["problem"] is None
    assert len(measured["top1"]) == len(measured["cosine"]) == len(measured["top5_hits"]) == 6
    assert len(measured["reference_square"]) == len(measured["clusters"]) == N


@pytest.mark.parametrize("batch", [1, 4, 10, 32])
def test_every_batch_is_full_and_the_last_wraps_round(batch):
    seen = []

    def note(logits):
        seen.append(len(logits))
        return logits

    logits = logits_of(deployment(note), IMAGES, batch)
    np.testing.assert_allclose(logits, REFERENCE, rtol=1e-5, atol=1e-5)
    assert set(seen) == {batch}


def test_what_fills_the_last_batch_are_the_first_images():
    batches = []
    spy = Deployment(lambda images: batches.append(images) or images, lambda x: x, lambda x: x)
    logits_of(spy, IMAGES, 8)
    np.testing.assert_array_equal(batches[1], np.concatenate([IMAGES[8:], IMAGES[:6]]))


def test_nan_in_the_surplus_is_no_problem():
    def spoil(logits):
        spoil.calls += 1
        if spoil.calls == 3:
            logits[2:] = np.nan
        return logits

    spoil.calls = 0
    assert measure(spoil)["problem"] is None


def test_repeatability_is_bit_equality():
    calls = []

    def drift(logits):
        calls.append(1)
        return logits * np.float32(1 + len(calls) * 1e-6)

    assert repeatability(deployment(), IMAGES)
    assert not repeatability(deployment(drift), IMAGES)
