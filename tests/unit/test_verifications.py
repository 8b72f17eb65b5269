"""Verifications of a run: what a case answered is not asked again."""

from types import SimpleNamespace

import numpy as np
import pytest

from vitbench.build.artifacts import ArtifactCache
from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.measure import verification
from vitbench.measure.sample import Sample
from vitbench.measure.shard_files import shard_bytes
from vitbench.measure.shard_folder import COUNTS, LOGITS, ShardFolder, name_of
from vitbench.measure.verification import Verifications
from vitbench.runtimes import Deployment
from vitbench.runtimes.catalogue import catalogue_of

IMAGES = np.random.default_rng(0).normal(size=(6, 3, 2, 2)).astype(np.float32)
SAMPLE = Sample(tuple("abcdef"), tuple("abcdef"), None, IMAGES, "s", "d")
ONE, FOUR = (Case("m", "scripted", "cpu", batch) for batch in (1, 4))


@pytest.fixture
def run(tmp_path):
    return begun(tmp_path)


def begun(folder):
    """The verifications of a run, and how many images each batch of a variant had."""
    asked, wrong = [], {}

    def deployment(case):
        def call(images):
            asked.append((case.variant, len(images)))
            return wrong.get(case.variant, lambda x: x)(images.reshape(len(images), -1))

        return Deployment(lambda x: x, call, lambda x: x)

    model = SimpleNamespace(
        labels=[SimpleNamespace(name=str(n)) for n in range(12)],
        weights=SimpleNamespace(synthetic=False),
        head="single-label",
        threshold=0.5,
    )
    inputs = SimpleNamespace(sample=lambda _: SAMPLE, doubt=lambda *_: None)
    made = Verifications(
        ArtifactCache(folder), inputs, catalogue_of(), lambda _: model,
        lambda case: {"variant": case.variant, "batch": case.batch}, deployment, lambda _: None,
    )  # fmt: skip
    return made, asked, wrong


def test_a_case_that_was_verified_is_not_asked_again_for_what_it_answered(run):
    made, asked, _ = run
    made.verify(ONE)
    made.verify(FOUR)
    del asked[:]
    found = made.verify(FOUR, against=ONE)
    assert found.agreement.state != "BROKEN"
    assert np.array_equal(found.first_output, IMAGES[:4].reshape(4, 12))
    assert np.array_equal(made.logits(FOUR), IMAGES.reshape(6, 12))
    assert asked == []


@pytest.mark.parametrize("before", [False, True])
def test_it_is_compared_with_what_it_answered(run, before):
    """At batch 4 it answers otherwise: that is found, whether or not both were verified before."""
    made, asked, wrong = run
    wrong["scripted"] = lambda x: x * (1 + (len(x) > 1))
    assert made.verify(ONE).agreement.state != "BROKEN"
    if before:
        made.verify(FOUR, against=FOUR)
    assert made.verify(FOUR, against=ONE).agreement.state == "BROKEN"
    assert ("scripted", 4) in asked


def test_a_case_that_was_verified_in_parts_is_not_asked_again_and_judged_alike(tmp_path):
    first, asked, wrong = begun(tmp_path / "one")
    wrong["scripted"] = lambda x: x + 0.01 * np.abs(x).max()
    for part in (range(4), range(4, 6)):
        for case, kind, ask in (
            (FOUR.agreement_reference, LOGITS, first.answer_part),
            (FOUR, COUNTS, first.verify_part),
        ):
            place = tmp_path / "parts" / name_of(case.id) / kind
            place.mkdir(parents=True, exist_ok=True)
            (place / str(part.start)).write_bytes(shard_bytes(ask(case, part)))
    wanted = first.verify(FOUR)
    second, asked, _ = begun(tmp_path / "two")
    second.shards = ShardFolder(tmp_path / "parts")
    found = second.verify(FOUR)
    assert (found.agreement, found.measured) == (wanted.agreement, wanted.measured)
    assert np.array_equal(found.first_output, wanted.first_output)
    assert asked == []
    (place / "4").unlink()
    third, asked, _ = begun(tmp_path / "three")
    third.shards = ShardFolder(tmp_path / "parts")
    with pytest.raises(UserError, match="2 of 6 images are in no shard"):
        third.verify(FOUR)
    assert asked == []


def test_what_ended_early_or_is_large_is_asked_again(run, monkeypatch):
    made, asked, wrong = run
    wrong["scripted"] = lambda x: x * np.nan
    made.verify(ONE)
    assert ("scripted", 1) in asked
    del asked[:]
    made.logits(ONE)
    assert asked == [("scripted", 1)] * 6
    wrong.clear()
    monkeypatch.setattr(verification, "KEPT_BYTES", 6 * 12 * 4 - 1)
    made.verify(FOUR)
    del asked[:]
    made.logits(FOUR)
    assert asked == [("scripted", 4)] * 2
