"""Verification by shards: parts of a sample are measured apart and merge to what one run gives.

They merge to the bit where all machines are of one class. Nothing here knows of machines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.case import Limits
from vitbench.errors import UserError, some
from vitbench.judge.agreement import doomed
from vitbench.measure.agreement import batches
from vitbench.measure.gathered import (
    BatchAnswer,
    ComparisonTerms,
    Gathered,
    Logits,
    Measured,
    ReferenceLogits,
    answer_of,
)
from vitbench.measure.preprocessed import Images
from vitbench.measure.shard_files import ShardCounts
from vitbench.measure.spool import Spool
from vitbench.runtimes.base import Deployment

OTHER = {
    "cpu": "on another CPU",
    "artifact": "with another built file",
    "versions": "with other versions of its libraries",
    "code": "with another vitbench",
    "threads": "with another number of threads",
    "gpus": "on another GPU",
    "against": "beside another reference",
}


@dataclass(frozen=True)
class Whole:
    """What all shards of one case are parts of: `total` images in batches of `batch`. `conditions`:
    all that the outputs depend on (`build.identity.of_logits`), the sample included."""

    total: int
    batch: int
    conditions: Mapping[str, Any]

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The conditions, after a trip through JSON."""
        return dict(json.loads(json.dumps(self.conditions)))

    def of_part(self, part: range) -> dict[str, Any]:
        """What each ShardCounts of a part says of itself and of this."""
        return {
            "start": part.start,
            "stop": part.stop,
            "total": self.total,
            "batch": self.batch,
            "conditions": self.plain,
        }


@dataclass(frozen=True)
class ShardedCase:
    """What shards of one case are measured and judged by: `terms` and `reference` are of the whole
    sample."""

    whole: Whole
    terms: ComparisonTerms
    reference: ReferenceLogits
    limits: Limits


def shards_of(total: int, batch: int, images: int) -> list[range]:
    """Parts of a sample of about so many images: whole batches, but for the end of the last."""
    size = max(1, images // batch) * batch
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def verify_shard(
    case: ShardedCase,
    deployment: Deployment,
    images: Images,
    part: range,
) -> ShardCounts:
    """Measure one part of a sample. `images` are the whole sample's: of others than the part, the
    first few are read that fill up the last batch. Raises ValueError where the part is not one of
    whole batches."""
    whole = case.whole
    _require_batches(whole, part)
    answers: list[BatchAnswer] = []
    for span, output in batches(deployment, images, whole.batch, part):
        answers.append(answer_of(output, whole.batch, span, case.terms, case.reference))
        if answers[-1].problem:
            break
    sound = [each for each in answers if not each.problem]
    names = sound[0].columns if sound else ()
    return ShardCounts(
        **whole.of_part(part),
        columns={key: [value for each in sound for value in each.columns[key]] for key in names},
        outputs=np.concatenate([each.outputs for each in sound or answers]),
        problem=answers[-1].problem,
        first_output=answers[0].first_output,
        mistaken=answers[0].mistaken,
    )


def answer_shard(
    whole: Whole,
    deployment: Deployment,
    images: Images,
    part: range,
) -> ShardCounts:
    """The outputs alone of one part, as `verify_shard`: those of a reference, which is compared
    with nothing."""
    _require_batches(whole, part)
    outputs = [out[: len(span)] for span, out in batches(deployment, images, whole.batch, part)]
    return ShardCounts(
        **whole.of_part(part),
        columns={},
        outputs=np.concatenate(outputs),
    )


def outputs_of(whole: Whole, shards: Sequence[ShardCounts]) -> Iterator[Logits]:
    """The outputs (n, C) of all images in their order, shard by shard. Raises UserError as `merge`
    does, before the first."""
    for shard in _in_order(whole, shards):
        yield shard.outputs


def merge(case: ShardedCase, shards: Sequence[ShardCounts], folder: Path | None = None) -> Measured:
    """What `measure.agreement.compare` returns of the whole sample, whatever the shards are and in
    whichever order they come: `judge.agreement.judge_agreement` judges it. Many outputs lie on the
    disk of `folder` meanwhile.

    Raises UserError where shards are missing, doubled or damaged, or where they are not of the
    case's sample and batch, or of another machine class, build or version than `case`.
    """
    ordered = _in_order(case.whole, shards)
    gathered = Gathered(
        case.terms,
        case.reference,
        lambda measured: doomed(measured, case.limits),
        Spool(folder),
    )
    for shard in ordered:
        if any(gathered.add(answer) for answer in _answers(shard)):
            break
    return gathered.measured()


def _answers(shard: ShardCounts) -> Iterator[BatchAnswer]:
    """What a shard's batches answered, one after the other."""
    for start in range(0, len(shard.outputs), shard.batch):
        rows = slice(start, start + shard.batch)
        first = (shard.first_output, shard.mistaken) if not start else ()
        columns = {key: values[rows] for key, values in shard.columns.items()}
        yield BatchAnswer(shard.outputs[rows], columns, None, *first)
    if shard.problem:
        first = (shard.first_output, shard.mistaken) if not len(shard.outputs) else ()
        yield BatchAnswer(shard.outputs[:0], {}, shard.problem, *first)


def _require_batches(whole: Whole, part: range) -> None:
    if part.start % whole.batch or (part.stop % whole.batch and part.stop != whole.total):
        raise ValueError(f"{part} is not of whole batches of {whole.batch}")


def _in_order(whole: Whole, shards: Sequence[ShardCounts]) -> list[ShardCounts]:
    """Shards in the order of their images. Raises UserError where they are not the whole."""
    ordered = sorted(shards, key=lambda shard: (shard.start, shard.stop))
    for refused in _refusals(whole, ordered):
        raise UserError(refused)
    return ordered


def _refusals(whole: Whole, ordered: Sequence[ShardCounts]) -> Iterator[str]:
    """A sentence for each reason why shards, in the order of their images, do not merge."""
    for shard in ordered:
        name = _named(range(shard.start, shard.stop))
        of = (shard.total, shard.conditions.get("sample"))
        if of != (whole.total, whole.plain.get("sample")):
            yield f"{name} was measured on other images: verify it again on those of this sample"
        elif shard.batch != whole.batch or shard.start % whole.batch or _ends_within(whole, shard):
            yield f"{name} is not one of whole batches of {whole.batch}: verify it again"
        elif _damaged(shard):
            yield f"{name} is damaged: its counts are not of {shard.stop - shard.start} images"
        elif others := _others(whole.plain, shard.conditions):
            yield (
                f"{name} was measured {' and '.join(others)} than here: verify all shards of a "
                "case on machines of one class"
            )
    done, missing = 0, list[range]()
    for shard in ordered:
        if shard.start < done:
            both = range(shard.start, min(done, shard.stop))
            yield f"{_named(both)} is there twice: leave one of the two out"
        if shard.start > done:
            missing.append(range(done, shard.start))
        done = max(done, shard.stop)
    if done < whole.total:
        missing.append(range(done, whole.total))
    if missing:
        which = some([f"{part.start:,} to {part.stop - 1:,}" for part in missing])
        count = sum(map(len, missing))
        yield f"{count:,} of {whole.total:,} images are in no shard ({which}): verify them first"


def _named(part: range) -> str:
    return f"the shard of images {part.start:,} to {part.stop - 1:,}"


def _ends_within(whole: Whole, shard: ShardCounts) -> bool:
    return bool(shard.stop % whole.batch) and shard.stop != whole.total


def _damaged(shard: ShardCounts) -> bool:
    count, wanted = len(shard.outputs), shard.stop - shard.start
    whole = count == wanted if not shard.problem else count < wanted and not count % shard.batch
    return not whole or any(len(values) != count for values in shard.columns.values())


def _others(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what two conditions differ, in words that end in "than"."""
    keys = [key for key in {**first, **other} if first.get(key) != other.get(key)]
    return [OTHER.get(key, f"with another {key}") for key in sorted(keys)]
