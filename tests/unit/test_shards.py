"""Shards of a verification merge to what one run gives, or are refused in a sentence."""

import tempfile
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitbench.case import Limits
from vitbench.errors import UserError
from vitbench.heads import HEADS
from vitbench.judge.agreement import doomed, judge_agreement
from vitbench.measure.agreement import compare, logits_of
from vitbench.measure.gathered import ComparisonTerms, ReferenceLogits
from vitbench.measure.sample import Sample
from vitbench.measure.shard_files import read_shard, shard_bytes
from vitbench.measure.shards import (
    ShardedCase,
    Whole,
    answer_shard,
    merge,
    outputs_of,
    shards_of,
    verify_shard,
)
from vitbench.runtimes import Deployment

N, BATCH = 45, 4
PARTS = shards_of(N, BATCH, BATCH)  # of one batch each
CONDITIONS = {"sample": "S", "cpu": {"isa": ["avx2"]}, "artifact": "A", "threads": 1, "batch": 4}
STRICT = Limits(agreement=0.96, relative_error=0.05, cosine=0.99, reason="")
WIDE = Limits(agreement=0.5, relative_error=2.0, cosine=-1.0, reason="")
IDS = tuple(f"image {number}" for number in range(N))
IMAGES = np.random.default_rng(0).normal(size=(N, 1, 2, 3)).astype(np.float32)
OUTPUTS = {"single-label": 6, "binary": 1, "multi-label": 5, "regression": 2, "embedding": 6}


def fine(outputs, batch):
    """Of the whole batch, as eager int8 rounds: who fills the last batch counts."""
    step = np.abs(batch).max() / 127
    return np.round(outputs / step) * step


def lost(outputs, batch):
    return np.where(batch.sum() > 1, np.nan, outputs) if batch[0, 0] > 1.5 else outputs


FAULTS = {
    "rounds": fine,
    "is wrong": lambda outputs, _: -outputs,
    "is no number": lost,
    "swaps": lambda outputs, _: outputs[::-1],
}


@cache
def case_of(head, fault, limits):
    """The case, what answers, and what one run of the whole sample measures."""
    count, width = OUTPUTS[head], OUTPUTS[head]
    reference = np.roll(IMAGES.reshape(N, 6), 1, axis=1)[:, :count].copy()
    labels = tuple(number % 2 for number in range(N)) if HEADS[head].labelled else None
    clusters = tuple(str(number // 3) for number in range(N))
    names = [f"class {number}" for number in range(width)]

    def call(images):
        batch = images.reshape(len(images), 6)
        outputs = np.roll(batch, 1, axis=1)[:, :count]
        return np.ascontiguousarray(FAULTS[fault](outputs, batch), dtype=np.float32)

    asked = Deployment(lambda x: x, call, lambda x: x)
    terms = ComparisonTerms(IDS, clusters, labels, names, False, head)
    case = ShardedCase(Whole(N, BATCH, CONDITIONS), terms, ReferenceLogits(reference), limits)
    sample = Sample(IDS, clusters, labels, IMAGES, "planted", "S")
    whole = compare(
        asked, sample, reference, BATCH, names, False, lambda m: doomed(m, limits), head=head
    )
    return case, asked, whole


def shards(case, asked, parts=PARTS):
    return [verify_shard(case, asked, IMAGES, part) for part in parts]


@cache
def batch_shards(head, fault, limits):
    case, asked, _ = case_of(head, fault, limits)
    return shards(case, asked)


@st.composite
def partitions(draw):
    """The sample in whole batches, in any order."""
    cuts = sorted(draw(st.sets(st.integers(1, len(PARTS) - 1))))
    ends = [0, *(cut * BATCH for cut in cuts), N]
    parts = [range(*pair) for pair in pairwise(ends)]
    return draw(st.permutations(parts))


@given(
    partitions(),
    st.sampled_from([*OUTPUTS]),
    st.sampled_from([*FAULTS]),
    st.sampled_from([STRICT, WIDE]),
    st.booleans(),
)
def test_any_partition_in_any_order_merges_to_one_run(parts, head, fault, limits, travels):
    case, asked, whole = case_of(head, fault, limits)
    found = shards(case, asked, parts)
    if travels:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, str(number)) for number in range(len(found))]
            for file, each in zip(files, found, strict=True):
                file.write_bytes(shard_bytes(each))
            merged = merge(case, [read_shard(file) for file in files])
    else:
        merged = merge(case, found)
    assert merged == whole
    assert judge_agreement(merged, limits, "x") == judge_agreement(whole, limits, "x")


def test_the_planted_cases_differ():
    """Else the property would say little: all states, early ends, and a last batch that counts."""
    states, ends = set(), set()
    for head in OUTPUTS:
        for fault in FAULTS:
            for limits in (STRICT, WIDE):
                whole = case_of(head, fault, limits)[2]
                states.add(judge_agreement(whole, limits, "x").state)
                ends.add((bool(whole["problem"]), len(whole["delta_square"]) == N))
    assert states == {"KEPT", "BROKEN", "UNPROVEN"}
    assert ends >= {(True, False), (False, False), (False, True)}
    case, asked, _ = case_of("single-label", "rounds", WIDE)
    last = batch_shards("single-label", "rounds", WIDE)[-1].outputs
    for scaled, same in ((IMAGES[:1] * 10, False), (IMAGES[:1], True)):
        images = np.concatenate([scaled, IMAGES[1:]])
        found = verify_shard(case, asked, images, PARTS[-1]).outputs
        assert np.array_equal(found, last) == same


def test_a_broken_case_needs_no_order_to_end_where_one_run_ends():
    case, _, whole = case_of("single-label", "is wrong", STRICT)
    assert len(whole["top1"]) < N
    assert merge(case, batch_shards("single-label", "is wrong", STRICT)[::-1]) == whole


def refused(change, limits=WIDE):
    case, _, _ = case_of("single-label", "rounds", limits)
    with pytest.raises(UserError) as said:
        merge(case, change([*batch_shards("single-label", "rounds", limits)]))
    return str(said.value)


@given(st.sets(st.integers(0, len(PARTS) - 1), min_size=1))
def test_a_missing_shard_is_refused(gone):
    said = refused(lambda all_: [x for n, x in enumerate(all_) if n not in gone])
    count = sum(len(PARTS[number]) for number in gone)
    assert said.startswith(f"{count} of 45 images are in no shard (")
    assert said.endswith("): verify them first")
    assert f"{PARTS[min(gone)].start} to " in said


@given(st.integers(0, len(PARTS) - 1), st.integers(0, len(PARTS)))
def test_a_shard_that_is_there_twice_is_refused(which, place):
    def twice(all_):
        return [*all_[:place], all_[which], *all_[place:]]

    part = PARTS[which]
    assert refused(twice) == (
        f"the shard of images {part.start} to {part.stop - 1} is there twice: leave one of the two "
        "out"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"conditions": {**CONDITIONS, "sample": "T"}},
            "the shard of images 8 to 11 was measured on other images: verify it again on those of "
            "this sample",
        ),
        (
            {"conditions": {**CONDITIONS, "cpu": {"isa": ["avx2", "avx512_vnni"]}}},
            "the shard of images 8 to 11 was measured on another CPU than here: verify all shards "
            "of a case on machines of one class",
        ),
        (
            {"conditions": {**CONDITIONS, "artifact": "B", "threads": 2}},
            "the shard of images 8 to 11 was measured with another built file and with another "
            "number of threads than here: verify all shards of a case on machines of one class",
        ),
        (
            {"total": 46},
            "the shard of images 8 to 11 was measured on other images: verify it again on those of "
            "this sample",
        ),
        (
            {"batch": 2},
            "the shard of images 8 to 11 is not one of whole batches of 4: verify it again",
        ),
        (
            {"stop": 16},
            "the shard of images 8 to 15 is damaged: its counts are not of 8 images",
        ),
    ],
)  # fmt: skip
def test_a_shard_of_something_else_is_refused(change, said):
    assert refused(lambda all_: [replace(x, **change) if x.start == 8 else x for x in all_]) == said


def test_shards_that_are_alike_and_measured_otherwise_than_here_are_refused():
    case, _, _ = case_of("single-label", "rounds", WIDE)
    here = replace(case.whole, conditions={**CONDITIONS, "artifact": "B"})
    with pytest.raises(UserError, match="was measured with another built file than here"):
        merge(replace(case, whole=here), batch_shards("single-label", "rounds", WIDE))


@given(st.sets(st.integers(0, len(PARTS) - 1)))
def test_the_reference_is_put_together_from_its_shards(gone):
    case, asked, _ = case_of("single-label", "rounds", WIDE)
    parts = [part for number, part in enumerate(PARTS) if number not in gone]
    found = [answer_shard(case.whole, asked, IMAGES, part) for part in parts[::-1]]
    if gone:
        with pytest.raises(UserError, match="images are in no shard"):
            next(outputs_of(case.whole, found))
    else:
        outputs = np.concatenate([*outputs_of(case.whole, found)])
        assert outputs.tobytes() == logits_of(asked, IMAGES, BATCH).tobytes()


@pytest.mark.parametrize(
    "change", [lambda x: x[:-1], lambda x: x.replace(b"0", b"1", 1), bytes.upper]
)
def test_a_damaged_file_of_a_shard_is_refused(tmp_path, change):
    (shard, *_) = batch_shards("single-label", "rounds", WIDE)
    (tmp_path / "good").write_bytes(shard_bytes(shard))
    assert read_shard(tmp_path / "good").columns == shard.columns
    (tmp_path / "bad").write_bytes(change(shard_bytes(shard)))
    with pytest.raises(UserError, match="bad: the shard is damaged: verify it again"):
        read_shard(tmp_path / "bad")
    with pytest.raises(UserError, match="none: No such file"):
        read_shard(tmp_path / "none")


def test_shards_are_whole_batches():
    assert shards_of(10, 4, 4) == [range(4), range(4, 8), range(8, 10)]
    assert shards_of(10, 4, 9) == [range(8), range(8, 10)]
    assert shards_of(10, 4, 1) == shards_of(10, 4, 4)
    assert shards_of(10, 64, 512) == [range(10)]
    case, asked, _ = case_of("single-label", "rounds", WIDE)
    for part in (range(2, 8), range(4, 6)):
        with pytest.raises(ValueError, match="not of whole batches of 4"):
            verify_shard(case, asked, IMAGES, part)
