"""Every head: what must be caught is planted, and what must pass is let through."""

import json

import numpy as np
import pytest

from vitbench.heads import HEADS, Spoken, exchanged_images
from vitbench.heads.code import answering_code
from vitbench.judge.agreement import doomed, judge_agreement
from vitbench.measure.agreement import compare
from vitbench.measure.sample import Sample
from vitbench.models.heads import FITS, misfit
from vitbench.runtimes.base import Deployment
from vitbench.runtimes.limits import HALF, INT8, REBUILT, STATIC

N = 256
OUTPUTS = {"single-label": 20, "binary": 1, "multi-label": 12, "regression": 3, "embedding": 32}
OTHERS = [head for head in OUTPUTS if head != "single-label"]


def reference_of(head, images=N, seed=0):
    """Outputs of a model that tells images apart, with a mean that all images share."""
    generator, many = np.random.default_rng(seed), OUTPUTS[head]
    if head == "embedding":  # images of a kind lie together, as those of a trained model do
        kinds = 3 * generator.normal(size=(images // 8, many))
        drawn = kinds[np.arange(images) % len(kinds)] + generator.normal(size=(images, many))
    else:
        drawn = 4 * generator.normal(size=(images, many)) ** 3 / 3
    mean = np.linspace(-3, 3, many) if many > 1 else 0.5
    units = np.array([1.0, 100.0, 0.01]) if head == "regression" else 1.0
    return ((drawn + mean) * units).astype(np.float32)


def verdict(head, own, reference, limits=INT8, batch=16, clusters=None, synthetic=False, stop=True):
    """Judges outputs (N, C) as a run does, JSON between measuring and judging."""
    ids = tuple(f"image-{at}" for at in range(len(reference)))
    images = np.arange(len(reference), dtype=np.float32)[:, None, None, None]
    sample = Sample(ids, clusters or ids, None, images, "planted", "0")
    given = Deployment(
        stage=lambda images: images[:, 0, 0, 0].astype(int),
        call=lambda places: np.asarray(own, np.float32)[places],
        read=lambda output: output,
    )
    labels = [f"label {at}" for at in range(reference.shape[1])] if head != "embedding" else []
    early = (lambda measured: doomed(measured, limits)) if stop else lambda _: False
    measured = compare(
        given, sample, reference, batch, labels, synthetic, early, head=head, threshold=0.5
    )
    measured = json.loads(json.dumps(measured, allow_nan=False))
    return judge_agreement(measured, limits, "x")


def swapped(own, one=3, other=5):
    """Two answers of one batch, exchanged; those of images that differ."""
    own = own.copy()
    own[[one, other]] = own[[other, one]]
    return own


def far_apart(reference):
    """Two images of one batch that differ as two images usually do."""
    first = reference[:16] / reference.std(0)
    apart = np.linalg.norm(first[:, None] - first, axis=2)
    pairs = np.argsort(apart, axis=None)[[-len(first) // 2]]
    return tuple(int(at) for at in np.unravel_index(pairs[0], apart.shape))


def columns_swapped(own, one=0, other=1):
    own = own.copy()
    own[:, [one, other]] = own[:, [other, one]]
    return own


WRONG = {
    "a constant": lambda own: np.tile(own.mean(0), (len(own), 1)),
    "the first image's answer": lambda own: np.tile(own[0], (len(own), 1)),
    "twice as large": lambda own: own * 2,
    "half as large": lambda own: own / 2,
    "the other sign": lambda own: -own,
    "the next image's answer": lambda own: np.roll(own, 1, axis=0),
    "outputs in another order": lambda own: np.roll(own, 1, axis=1),
    "two outputs swapped": columns_swapped,
    "a scale of each output": lambda own: own * np.geomspace(0.4, 2.5, own.shape[1]),
    "not finite": lambda own: np.where(np.arange(len(own))[:, None] == 9, np.nan, own),
}
OF_SEVERAL = {"outputs in another order", "two outputs swapped"}


@pytest.mark.parametrize("limits", [REBUILT, HALF, INT8, STATIC], ids=lambda each: each.reason[:9])
@pytest.mark.parametrize(
    ("head", "wrong"),
    [(head, wrong) for head in OUTPUTS for wrong in WRONG
     if OUTPUTS[head] > 1 or wrong not in OF_SEVERAL],
)  # fmt: skip
def test_a_planted_fault_is_broken_under_every_limits(head, wrong, limits):
    reference = reference_of(head)
    found = verdict(head, WRONG[wrong](reference), reference, limits)
    assert found.state == "BROKEN", found.sentence
    assert found.head == head


@pytest.mark.parametrize("limits", [REBUILT, HALF, INT8, STATIC], ids=lambda each: each.reason[:9])
@pytest.mark.parametrize("head", OUTPUTS)
def test_a_swapped_pair_of_one_batch_is_broken(head, limits):
    reference = reference_of(head)
    own = reference + noise(reference, limits)
    one, other = far_apart(reference)
    assert verdict(head, swapped(own, one, other), reference, limits).state == "BROKEN"
    whole = verdict(head, swapped(own, one, other), reference, limits, stop=False)
    named = " and ".join(f"image-{at}" for at in sorted((one, other)))
    assert f"{named} have each other's outputs" in whole.sentence


@pytest.mark.parametrize("images", [1, 200])
@pytest.mark.parametrize("head", ["binary", "multi-label", "embedding"])
def test_a_reference_that_answers_all_images_alike_proves_nothing(head, images):
    """Neither the same answers nor rounding is BROKEN there; what is far off is."""
    flat = np.tile(reference_of(head)[:1], (images, 1))
    for own in (flat, flat * 1.00001):
        found = verdict(head, own, flat, REBUILT)
        assert (found.state, found.lower) == ("UNPROVEN", 0), found.sentence
        assert "--images=DIR" in found.sentence
    assert verdict(head, flat * 2, flat, REBUILT).state == "BROKEN"


def softmax(logits):
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


PROBABILITIES = {
    "softmax": ("single-label", softmax),
    "log-softmax": ("single-label", lambda logits: np.log(softmax(logits) + 1e-30)),
    "sigmoid": ("multi-label", lambda logits: 1 / (1 + np.exp(-logits))),
}


@pytest.mark.parametrize("kind", PROBABILITIES)
def test_probabilities_in_place_of_logits_are_named(kind):
    head, of = PROBABILITIES[kind]
    reference = np.clip(reference_of(head), -60, 60)
    found = verdict(head, of(reference), reference)
    assert found.state == "BROKEN"
    assert f"build it without the {kind}" in found.sentence
    assert "build it" not in verdict(head, reference * 2, reference).sentence
    assert verdict(head, of(reference), of(reference)).state != "BROKEN"


def of_one_class(images=N):
    """Logits of two classes, of which the first is the reference's on all images."""
    return (np.array([5, -5]) + 0.4 * np.random.default_rng(0).normal(size=(images, 2))).astype(
        np.float32
    )


@pytest.mark.parametrize("limits", [INT8, STATIC])
def test_a_constant_beside_a_reference_of_one_class_is_broken(limits):
    reference = of_one_class()
    found = verdict("single-label", WRONG["a constant"](reference), reference, limits)
    assert found.state == "BROKEN"
    assert "the reference's top-1 is label 0 on 256 of 256 images" in found.sentence
    error = limits.relative_error * 0.4 * np.random.default_rng(1).normal(size=reference.shape)
    near = verdict("single-label", reference + error / 5, reference, limits)
    assert near.state == "KEPT"
    far = verdict("single-label", reference + error * 2, reference, limits)
    assert (far.state, far.lower) == ("UNPROVEN", 0)
    assert "give others with --images=DIR" in far.sentence
    flat = np.tile(reference[:1], (N, 1))
    assert verdict("single-label", flat * 1.0001, flat, limits).state == "UNPROVEN"


def noise(reference, limits, share=0.2):
    """Rounding of a fifth of what the limits allow, as measured of int8 linears."""
    spread, drawn = reference.std(0), np.random.default_rng(1).normal(size=reference.shape)
    return share * limits.relative_error * spread * drawn


@pytest.mark.parametrize(
    ("limits", "images"), [(REBUILT, 512), (HALF, 512), (INT8, 256), (STATIC, 256)]
)
@pytest.mark.parametrize("head", OUTPUTS)
def test_rounding_is_kept_with_enough_images(head, limits, images):
    """Of a multi-label model one image has many labels, each of which may be a near call."""
    reference = reference_of(head, images)
    if head == "multi-label":
        reference += np.float32(0.5) * np.sign(reference)
    found = verdict(head, reference + noise(reference, limits, 0.05), reference, limits)
    assert found.state == "KEPT", found.sentence


@pytest.mark.parametrize("head", OTHERS)
def test_a_model_that_hardly_tells_images_apart_passes_no_constant(head):
    """As randomly initialised ones: the plain cosine and error of a constant are within limits."""
    reference = (10 + 0.01 * reference_of(head)).astype(np.float32)
    constant = WRONG["a constant"](reference)
    apart = np.linalg.norm(constant - reference) / np.linalg.norm(reference)
    assert apart < 0.15 or head == "regression"
    for synthetic in (False, True):
        assert verdict(head, constant, reference, synthetic=synthetic).state == "BROKEN"
        assert verdict(head, reference, reference, synthetic=synthetic).state != "BROKEN"


@pytest.mark.parametrize("head", OTHERS)
def test_synthetic_weights_are_judged_by_numbers_alone(head):
    reference = reference_of(head, 24)
    found = verdict(head, reference + noise(reference, INT8), reference, synthetic=True)
    assert (found.state, found.claimed) == ("KEPT", False), found.sentence
    assert "synthetic weights" in found.sentence


@pytest.mark.parametrize(
    ("head", "images", "words"),
    [
        ("binary", 40, "96 % needs 74 independent images without a flip"),
        ("multi-label", 40, "96 % needs 74 independent images without a flip"),
        ("regression", 19, "needs at least 20 independent images, and the sample has 19"),
        ("embedding", 99, "need at least 100 independent images, and the sample has 99"),
    ],
)
def test_too_few_images_are_unproven(head, images, words):
    reference = reference_of(head, images)
    found = verdict(head, reference, reference)
    assert found.state == "UNPROVEN"
    assert words in found.sentence
    assert verdict(head, reference_of(head), reference_of(head)).state == "KEPT"


@pytest.mark.parametrize("head", OTHERS)
def test_crops_of_few_photographs_prove_nothing(head):
    reference = reference_of(head)
    clusters = tuple(f"photo {at % 8}" for at in range(N))
    assert verdict(head, reference, reference, clusters=clusters).state == "UNPROVEN"


@pytest.mark.parametrize("head", OUTPUTS)
@pytest.mark.parametrize("wrong", ["a constant", "twice as large", "the other sign"])
def test_what_is_doomed_is_broken_early_and_in_the_end(head, wrong):
    reference = reference_of(head)
    own = WRONG[wrong](reference)
    early, late = (verdict(head, own, reference, stop=stop) for stop in (True, False))
    assert early.state == late.state == "BROKEN"
    assert early.images < late.images == N
    assert early.sentence.startswith(f"x: stopped after {early.images} of {N} images: ")


@pytest.mark.parametrize("head", OUTPUTS)
def test_errors_of_the_first_batch_alone_are_not_doomed(head):
    """In the first batch they are over the limit of the error, over the sample they are not."""
    reference = reference_of(head)
    own = reference.copy()
    own[:16] += 0.25 * np.sign(own[:16]) * reference.std(0)
    found = verdict(head, own, reference)
    assert (found.state, found.images) == ("KEPT", N), found.sentence


def test_each_output_of_a_regression_counts_in_its_own_unit():
    reference = reference_of("regression")
    own = reference.copy()
    own[:, 2] *= 1.3  # the smallest: of the common norm one part of a million
    found = verdict("regression", own, reference)
    assert "centred relative error of 'label 2' 0." in found.sentence
    assert found.state == "BROKEN"


def test_the_bound_of_a_regression_is_in_its_sentence():
    reference = reference_of("regression")
    found = verdict("regression", reference + noise(reference, INT8), reference)
    assert found.error < found.error_upper < INT8.relative_error
    assert f"{found.error:.4g}" in found.sentence
    assert f"upper bound {found.error_upper:.4g} (256 images), limit 0.15: KEPT" in found.sentence


def test_a_value_that_does_not_vary_is_not_proven():
    reference = reference_of("regression")
    reference[:, 1] = 7
    found = verdict("regression", reference, reference)
    assert found.state == "UNPROVEN"
    assert "the reference answers all images alike in 'label 1'" in found.sentence
    assert verdict("regression", reference * [1, 1.5, 1], reference).state == "BROKEN"


def test_an_embedding_is_kept_by_neighbours_and_not_by_cosine_alone():
    """Noise that keeps every cosine above its limit may still give each image another neighbour."""
    generator = np.random.default_rng(1)
    reference = generator.normal(size=(N, 32)).astype(np.float32)  # no image is near to another
    own = reference + 0.13 * generator.normal(size=reference.shape)
    found = verdict("embedding", own, reference)
    assert found.centred_cosine > INT8.cosine
    assert found.state == "BROKEN"
    assert "nearest neighbour differs on" in found.sentence


def test_a_multi_label_sentence_names_the_surest_label():
    reference = reference_of("multi-label")
    own = reference.copy()
    own[7, 2] = -own[7, 2]
    found = verdict("multi-label", own, reference)
    assert "set of labels differs on 1 of 256 images (with" in found.sentence.replace("out", "")
    assert "label 2" in found.sentence
    assert "99.9 % of all labels are equal" in found.sentence


def test_near_duplicates_and_honest_outliers_are_no_swapped_pair():
    generator = np.random.default_rng(2)
    reference = generator.normal(size=(N, 1))
    for seed in range(50):
        laplace = 0.05 * np.random.default_rng(seed).laplace(size=(N, 1))
        assert exchanged_images(reference + laplace, reference, np.asarray) == []
    twice = np.concatenate([reference, reference])
    assert exchanged_images(twice, twice, np.asarray) == []


def test_heads_and_their_rules_have_the_same_names():
    assert HEADS.keys() == FITS.keys() == OUTPUTS.keys()


@pytest.mark.parametrize(
    ("head", "outputs", "labels", "said"),
    [
        ("single-label", 2, 2, None),
        ("single-label", 1, 1, 'head = "binary" (the logit of yes) or head = "regression"'),
        ("single-label", 3, 2, "has 3 outputs and 2 labels"),
        ("binary", 1, 1, None),
        ("binary", 1, 2, None),
        ("binary", 2, 2, "takes one logit: two logits of a softmax are single-label"),
        ("binary", 1, 3, "takes one (yes) or two (no, then yes)"),
        ("multi-label", 5, 5, None),
        ("multi-label", 5, 4, "has 5 outputs and 4 labels"),
        ("multi-label", 1, 1, 'head = "binary"'),
        ("regression", 1, 0, None),
        ("regression", 4, 4, None),
        ("regression", 4, 3, "a label for each output, or none"),
        ("embedding", 384, 0, None),
        ("embedding", 1, 0, "has one output"),
        ("embedding", 384, 384, "an embedding has none"),
    ],
)
def test_a_head_that_does_not_fit_the_outputs_is_refused(head, outputs, labels, said):
    found = misfit(head, outputs, labels)
    assert found is None if said is None else said in found


@pytest.mark.parametrize("name", HEADS)
def test_a_package_s_lines_say_what_predict_says(name):
    """`threshold` lies among the odds; some are above it and some are not."""
    outputs = np.random.default_rng(3).normal(0, 2, (1, 1 if name == "binary" else 7))
    logits = outputs.astype(np.float32)
    labels = [f"label {place}" for place in range(logits.shape[1])]
    head = HEADS[name]
    for top, threshold in ((1, 0.5), (3, 0.9), (3, 0.001)):
        manifest = {"labels": [{"id": x, "name": x} for x in labels], "threshold": threshold}
        made = {"np": np, "logits": logits, "manifest": manifest, "top": top}
        exec("\n".join(answering_code(name)), made)
        spoken = Spoken(head.names(labels), threshold)
        assert made["answer"] == head.lines(logits[0].astype(float), spoken, top)
