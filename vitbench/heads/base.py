"""What a head is: how a model's outputs (n, C) are read, compared and judged. Pure functions."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.heads.words import rounded

Outputs = NDArray[np.float64]
"""(n, C)."""
TINY = float(np.finfo(float).tiny)
Measured = Mapping[str, Any]
"""What `measure.agreement.compare` returns."""
BLOCK = 1024
"""Rows of outputs that are in memory at a time, as float64."""


@dataclass(frozen=True)
class Frame:
    """What a head compares by. `mean` and `spread`, both (C,): mean and standard deviation of the
    reference's outputs over the sample. `threshold` is a probability."""

    mean: Outputs
    spread: Outputs
    threshold: float = 0.5

    @property
    def logit(self) -> float:
        """The threshold before the sigmoid."""
        return math.log(self.threshold / (1 - self.threshold))


def frame_of(reference: NDArray[np.float32], threshold: float = 0.5) -> Frame:
    """The frame of a reference's outputs (N, C) over a sample, which may lie on disk. Rows that are
    not finite are left out: whoever compares refuses them. The sums are those of all rows in a row,
    whatever BLOCK is."""
    nothing = np.zeros(reference.shape[1:])
    count, total, squares = 0, nothing[None][:0], nothing[None][:0]
    for block in _finite(reference):
        count, total = count + len(block), np.concatenate([total, block]).sum(0, keepdims=True)
    if not count:
        return Frame(nothing, nothing, threshold)
    mean = total[0] / count
    for block in _finite(reference):
        beside = np.square(block - mean)
        squares = np.concatenate([squares, beside]).sum(0, keepdims=True)
    return Frame(mean, np.sqrt(squares[0] / count), threshold)


def _finite(reference: NDArray[np.float32]) -> Iterator[Outputs]:
    for start in range(0, len(reference), BLOCK):
        block = reference[start : start + BLOCK]
        yield block[np.isfinite(block).all(axis=1)].astype(np.float64)


@dataclass(frozen=True)
class Findings:
    """What a head finds in what was measured, beside the limits.

    `broken`: a phrase for each limit that is broken. `proven`: whether the images prove that the
    limits are kept. `words` are for a claimed agreement, `numbers` for one of synthetic weights,
    `needed` says what would prove it. The figures are those of `judge.agreement.Agreement`; `lower`
    is 0 where equal answers prove nothing.
    """

    broken: tuple[str, ...]
    proven: bool
    words: str
    numbers: str
    needed: str
    effective_images: float
    matched: int = 0
    share: float = math.nan
    lower: float = 0.0
    upper: float = 1.0
    cosine: float = math.nan
    relative_error: float = math.nan
    error: float | None = None
    error_upper: float | None = None
    centred_cosine: float | None = None


@dataclass(frozen=True)
class Spoken:
    """What a user knows of a model's outputs: their names (`Head.names`), and the threshold."""

    names: Sequence[str]
    threshold: float = 0.5


@dataclass(frozen=True)
class Pair:
    """Outputs of a deployment and the reference's for the same images, (n, C) both. `labels` are
    the images' class indices, or None."""

    own: Outputs
    reference: Outputs
    frame: Frame
    labels: Sequence[int] | None = None


class Head(ABC):
    """A kind of head. Each is a module of this folder; a head that decides nothing, such as a
    regression, has the methods as they are here.

    `noun` is what two answers to one image differ in ("top-1"), `error_name` what the relative
    error of an image is called. `labelled`: whether a class folder says what is right. `shares`:
    whether the share of equal answers is judged; `least_photographs` prove anything.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    labelled: ClassVar[bool] = False
    shares: ClassVar[bool] = True
    least_photographs: ClassVar[int] = 1
    error_name: ClassVar[str] = "centred relative error"

    def begin(self, pair: Pair) -> dict[str, list[Any]]:
        """Entries of `measured` that the reference's outputs give, one for each image."""
        return {"spread_square": rounded(np.square(pair.reference - pair.frame.mean).sum(1))}

    @abstractmethod
    def columns(self, pair: Pair) -> dict[str, list[Any]]:
        """Entries of `measured` for a batch, one for each image."""

    def finish(
        self,
        own: NDArray[np.float32],
        reference: NDArray[np.float32],
        frame: Frame,
        clusters: Sequence[str],
    ) -> dict[str, list[Any]]:
        """Entries of `measured` that need the whole sample, added where all of it was measured.
        Both outputs, (N, C), may lie on disk."""
        return {}

    def mistaken(self, pair: Pair) -> str:
        """A phrase where own outputs are of another kind than the reference's; else ""."""
        return ""

    @abstractmethod
    def judged(self, measured: Measured, limits: Limits) -> Findings:
        """What is measured, by limits. Nothing is broken where `measured` has a problem."""

    @abstractmethod
    def doomed(self, measured: Measured, limits: Limits) -> bool:
        """Whether `judged` has something broken whatever the remaining images give."""

    @abstractmethod
    def answers(self, measured: Measured) -> tuple[list[Any], list[Any]]:
        """The answers to each image, own and the reference's: what is compared between runs."""

    def recorded(self, answer: Any, ids: Sequence[str]) -> Any:
        """An answer as a report has it, which another run understands. `ids` are the images'."""
        return answer

    def tolerance(self, measured: Measured, limits: Limits) -> list[float]:
        """By how much each value of two equal answers may differ; [] where answers are equal or
        not."""
        return []

    def names(self, labels: Sequence[str]) -> list[str]:
        """The names by which an answer counts, of a model's labels."""
        return list(labels)

    def shown(self, answer: Any, names: Sequence[str]) -> str:
        """An answer in words, by `names`."""
        return str(names[answer])

    def decided(self, pair: Pair) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What the outputs decide, own and the reference's, both (n, k)."""
        nothing = np.zeros((len(pair.own), 0), np.int64)
        return nothing, nothing

    def margins(self, pair: Pair) -> Outputs:
        """Of the reference's `decided`, each: by how much outputs may change before it does."""
        return np.zeros((len(pair.own), 0))

    def scaled(self, outputs: Outputs, frame: Frame) -> Outputs:
        """The outputs in units that can be compared with each other."""
        return outputs

    def errors(self, pair: Pair) -> Outputs:
        """The relative error of each image, (n,): beside how far one usually is from the mean."""
        usual = max(float(np.linalg.norm(pair.frame.spread)), TINY)
        return np.asarray(np.linalg.norm(pair.own - pair.reference, axis=1) / usual)

    def size(self, pair: Pair) -> float:
        """How large a `scaled` output usually is, by what a relative error is relative to."""
        return float(np.sqrt(np.square(pair.frame.spread).mean()))

    @abstractmethod
    def lines(self, outputs: Outputs, model: Spoken, top: int) -> list[str]:
        """What a user reads of one image's outputs (C,)."""

    def beside(self, outputs: Outputs, first: Outputs) -> str:
        """What a user reads of one image's outputs beside another variant's, both (C,)."""
        return ""
