"""Verification by shards: parts of a sample are measured apart and merge to what one run gives.

They merge to the bit where all machines are of one class. Nothing here knows of machines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
    packed,
    unpacked,
)
from vitbench.measure.preprocessed import Images
from vitbench.measure.spool import Spool
from vitbench.runtimes.base import Deployment

OTHER = {
    "cpu": "on another CPU",
    "artifact": "with another built file",
    "versions": "with other versions of its libraries",
    "code": "with another vitbench",
    "threads": "with another number of threads",
    "gpus": "on another GPU",
}


@dataclass(frozen=True)
class ShardedCase:
    """What all shards of one case have in common. `terms` and `reference` are of the whole sample,
    which `sample` is the key of (`Sample.key`); batches have `batch` images."""

    terms: ComparisonTerms
    reference: ReferenceLogits
    batch: int
    limits: Limits
    sample: str

    @property
    def total(self) -> int:
        return len(self.terms.ids)


@dataclass(frozen=True)
class ShardCounts:
    """What one shard measured of the images from `start` to `stop`: per image the head's columns,
    and the `outputs`, (n, C). A `problem` ended it early, so that n is less. `first_output` and
    `mistaken` are of the sample's first batch. `conditions` are all that the outputs depend on
    (`build.identity.of_logits`), the sample included.
    """

    start: int
    stop: int
    total: int
    batch: int
    conditions: Mapping[str, Any]
    columns: Mapping[str, Sequence[Any]]
    outputs: Logits
    problem: str | None
    first_output: Measured | None
    mistaken: str | None

    def to_json(self) -> dict[str, Any]:
        """For a file or another process: `from_json` is its other end, to the bit."""
        return {**asdict(self), "outputs": packed(self.outputs)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "ShardCounts":
        return cls(**{**given, "outputs": unpacked(given["outputs"])})


def shards_of(total: int, batch: int, images: int) -> list[range]:
    """Parts of a sample of about so many images: whole batches, but for the end of the last."""
    size = max(1, images // batch) * batch
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def verify_shard(
    case: ShardedCase,
    deployment: Deployment,
    images: Images,
    part: range,
    conditions: Mapping[str, Any],
) -> ShardCounts:
    """Measure one part of a sample. `images` are the whole sample's: of others than the part, the
    first few are read that fill up the last batch. Raises ValueError where the part is not one of
    whole batches."""
    if part.start % case.batch or (part.stop % case.batch and part.stop != case.total):
        raise ValueError(f"{part} is not of whole batches of {case.batch}")
    answers: list[BatchAnswer] = []
    for span, output in batches(deployment, images, case.batch, part):
        answers.append(answer_of(output, case.batch, span, case.terms, case.reference))
        if answers[-1].problem:
            break
    sound = [each for each in answers if not each.problem]
    names = sound[0].columns if sound else ()
    return ShardCounts(
        start=part.start,
        stop=part.stop,
        total=case.total,
        batch=case.batch,
        conditions=json.loads(json.dumps(conditions)),
        columns={key: [value for each in sound for value in each.columns[key]] for key in names},
        outputs=np.concatenate([each.outputs for each in sound or answers]),
        problem=answers[-1].problem,
        first_output=answers[0].first_output,
        mistaken=answers[0].mistaken,
    )


def merge(case: ShardedCase, shards: Sequence[ShardCounts], folder: Path | None = None) -> Measured:
    """What `measure.agreement.compare` returns of the whole sample, whatever the shards are and in
    whichever order they come: `judge.agreement.judge_agreement` judges it. Many outputs lie on the
    disk of `folder` meanwhile.

    Raises UserError where shards are missing, doubled or damaged, or where they are not of the
    case's sample and batch, or not all of one machine class, build and version.
    """
    ordered = sorted(shards, key=lambda shard: (shard.start, shard.stop))
    for refused in _refusals(case, ordered):
        raise UserError(refused)
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


def _refusals(case: ShardedCase, ordered: Sequence[ShardCounts]) -> Iterator[str]:
    """A sentence for each reason why shards, in the order of their images, do not merge."""
    for shard in ordered:
        name = _named(range(shard.start, shard.stop))
        if (shard.total, shard.conditions.get("sample")) != (case.total, case.sample):
            yield f"{name} was measured on other images: verify it again on those of this sample"
        elif shard.batch != case.batch or shard.start % case.batch or _ends_within(case, shard):
            yield f"{name} is not one of whole batches of {case.batch}: verify it again"
        elif _damaged(shard):
            yield f"{name} is damaged: its counts are not of {shard.stop - shard.start} images"
        elif others := _others(ordered[0].conditions, shard.conditions):
            first = _named(range(ordered[0].start, ordered[0].stop))
            yield (
                f"{name} was measured {' and '.join(others)} than {first}: verify all shards of a "
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
    if done < case.total:
        missing.append(range(done, case.total))
    if missing:
        which = some([f"{part.start:,} to {part.stop - 1:,}" for part in missing])
        count = sum(map(len, missing))
        yield f"{count:,} of {case.total:,} images are in no shard ({which}): verify them first"


def _named(part: range) -> str:
    return f"the shard of images {part.start:,} to {part.stop - 1:,}"


def _ends_within(case: ShardedCase, shard: ShardCounts) -> bool:
    return bool(shard.stop % case.batch) and shard.stop != case.total


def _damaged(shard: ShardCounts) -> bool:
    count, wanted = len(shard.outputs), shard.stop - shard.start
    whole = count == wanted if not shard.problem else count < wanted and not count % shard.batch
    return not whole or any(len(values) != count for values in shard.columns.values())


def _others(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what two conditions differ, in words that end in "than"."""
    keys = [key for key in {**first, **other} if first.get(key) != other.get(key)]
    return [OTHER.get(key, f"with another {key}") for key in sorted(keys)]
