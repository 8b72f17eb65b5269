"""What is measured of a sample, batch after batch in its order, and when measuring ends."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.heads import (
    BLOCK,
    HEADS,
    SINGLE_LABEL,
    Frame,
    Head,
    Outputs,
    Pair,
    exchanged_images,
    exchanged_outputs,
    frame_of,
)
from vitbench.heads.words import rounded
from vitbench.measure.spool import Spool

Logits = NDArray[np.float32]
Measured = dict[str, Any]
HITS = ("top1_hits", "top5_hits", "reference_top1_hits", "reference_top5_hits")
ALWAYS = 1024
"""So many images are looked at after every batch: whether limits are broken for certain takes as
long as there are images. Later after each 64th more, and then batch by batch from the last look."""


@dataclass(frozen=True)
class ComparisonTerms:
    """By what predictions are compared: how outputs are read, and what the images are called.

    `labels` are class indices, or None; `synthetic`: of weights that nobody trained.
    """

    ids: Sequence[str]
    clusters: Sequence[str]
    labels: Sequence[int] | None
    class_names: Sequence[str]
    synthetic: bool
    head: str = SINGLE_LABEL
    threshold: float = 0.5

    @property
    def kind(self) -> Head:
        return HEADS[self.head]

    @property
    def labelled(self) -> bool:
        return self.kind.labelled and self.labels is not None


@dataclass(frozen=True)
class ReferenceLogits:
    """Logits (N, C) of the reference for a whole sample, which may lie on disk."""

    logits: Logits
    threshold: float = 0.5

    @cached_property
    def frame(self) -> Frame:
        return frame_of(self.logits, self.threshold)


@dataclass(frozen=True)
class BatchAnswer:
    """Of one batch: `outputs` (n, C) of its own images, and `columns` of the head for them, or a
    `problem`, where they are no outputs. Of the first batch also `first_output`, all of it as
    JSON, and `mistaken` as of the head."""

    outputs: Logits
    columns: Mapping[str, Sequence[Any]]
    problem: str | None = None
    first_output: Measured | None = None
    mistaken: str | None = None


def answer_of(
    output: Logits, batch: int, span: range, terms: ComparisonTerms, reference: ReferenceLogits
) -> BatchAnswer:
    """Of a batch whose images are those of `span`, and others that fill it up."""
    true = reference.logits[span.start : span.stop]
    problem = problem_of(output, (batch, *true.shape[1:]), true)
    first = None if span.start else packed(output)
    if problem:
        return BatchAnswer(output[:0], {}, problem, first)
    own, labels = output[: len(true)], None
    if terms.labelled and terms.labels is not None:
        labels = terms.labels[span.start : span.stop]
    pair = Pair(own.astype(np.float64), true.astype(np.float64), reference.frame, labels)
    mistaken = None if span.start else terms.kind.mistaken(pair)
    return BatchAnswer(own, terms.kind.columns(pair), None, first, mistaken)


class Gathered:
    """Puts answers together, which `add` takes batch by batch. `doomed` says whether what is
    measured so far breaks limits for certain; `spool` keeps the outputs meanwhile."""

    def __init__(
        self,
        terms: ComparisonTerms,
        reference: ReferenceLogits,
        doomed: Callable[[Measured], bool],
        spool: Spool,
    ) -> None:
        self._terms, self._reference, self._doomed, self._spool = terms, reference, doomed, spool
        kind, frame = terms.kind, reference.frame
        nothing = np.zeros((0, *reference.logits.shape[1:]))
        columns = kind.columns(Pair(nothing, nothing, frame, [] if terms.labelled else None))
        self._columns, self._total = tuple(columns), len(terms.ids)
        self._done = self._looked = 0
        self._unseen: list[int] = []
        self._ended = False
        self._measured: Measured = {
            "total": self._total,
            "clusters": list(terms.clusters),
            "synthetic": terms.synthetic,
            "problem": None,
            "first_output": None,
            "class_names": kind.names(terms.class_names),
            "head": terms.head,
            "threshold": terms.threshold,
            "spread": rounded(frame.spread),
            "exchanged": [],
            "mistaken": None,
            **_begun(terms, reference),
            **dict.fromkeys(HITS),
            **columns,
        }

    def add(self, answer: BatchAnswer) -> bool:
        """The answer to the next batch. Whether that is the end: nothing more need be measured."""
        measured = self._measured
        if not self._done:
            measured["first_output"], measured["mistaken"] = answer.first_output, answer.mistaken
        measured["problem"] = answer.problem
        if answer.problem:
            self._ended = True
            return True
        for key in self._columns:
            measured[key].extend(answer.columns[key])
        self._spool.append(answer.outputs)
        self._done += len(answer.outputs)
        self._ended = self._ends()
        return self._ended

    def measured(self) -> Measured:
        """What `measure.agreement.compare` returns."""
        if self._done == self._total and not self._ended:
            own, reference, terms = self._spool.rows(), self._reference, self._terms
            kind, frame = terms.kind, reference.frame
            self._measured.update(kind.finish(own, reference.logits, frame, terms.clusters))
            self._measured["exchanged"] = list(_exchanged(own, reference, terms))
        return self._measured

    def _ends(self) -> bool:
        done = self._done
        self._unseen.append(done)
        if ALWAYS < done < self._total and done - self._looked < done // 64:
            return False
        self._looked = done
        unseen, self._unseen = self._unseen, []
        if not self._doomed(self._measured):
            return False
        for stop in unseen:
            cut = {key: self._measured[key][:stop] for key in self._columns}
            if stop == done or self._doomed({**self._measured, **cut}):
                self._measured |= cut
                break
        return True


def _begun(terms: ComparisonTerms, reference: ReferenceLogits) -> Measured:
    """What the reference alone gives, of each image."""
    found: dict[str, list[Any]] = {"reference_square": []}
    for start in range(0, len(reference.logits), BLOCK):
        known = np.nan_to_num(reference.logits[start : start + BLOCK]).astype(np.float64)
        block = terms.kind.begin(Pair(known, known, reference.frame))
        for key, values in {"reference_square": rounded(np.square(known).sum(1)), **block}.items():
            found.setdefault(key, []).extend(values)  # JSON has no inf
    return found


def _exchanged(own: Logits, reference: ReferenceLogits, terms: ComparisonTerms) -> Iterator[str]:
    """Phrases on the images, and on the outputs, that have each other's answers."""

    def scaled(rows: Logits) -> Outputs:
        return terms.kind.scaled(rows.astype(np.float64), reference.frame)

    ids, names = terms.ids, terms.class_names
    images = exchanged_images(own, reference.logits, scaled)
    for one, other in images[:1]:
        more = f" (and {len(images) - 1} more pairs)" * (len(images) > 1)
        yield f"{ids[one]} and {ids[other]} have each other's outputs{more}"
    columns = exchanged_outputs(own, reference.logits, scaled)
    for one, other in columns[:1]:
        named = [
            repr(names[at]) if len(names) == own.shape[1] else f"number {at}" for at in (one, other)
        ]
        more = f" (and {len(columns) - 1} more pairs)" * (len(columns) > 1)
        yield f"outputs {' and '.join(named)} have each other's values{more}"


def packed(logits: Logits) -> Measured:
    """Logits as JSON, to the bit."""
    plain = np.ascontiguousarray(logits, dtype="<f4")
    return {"shape": list(plain.shape), "float32": b64encode(plain.tobytes()).decode()}


def unpacked(found: Mapping[str, Any]) -> Logits:
    """The logits that `packed` was given."""
    plain = np.frombuffer(b64decode(found["float32"]), dtype="<f4")
    return plain.reshape(found["shape"]).astype(np.float32)


def problem_of(output: Logits, expected: tuple[int, ...], reference: Logits) -> str | None:
    """What makes an output none of the expected shape, in words."""
    if output.shape != expected:
        return f"output has shape {output.shape}, expected {expected}"
    kept = len(reference)
    for name, logits in (("", output[:kept]), (" of the reference", reference)):
        wrong = kept - int(np.isfinite(logits).all(axis=1).sum())
        if wrong:
            return f"{wrong} of {kept} outputs{name} are not finite"
    return None
