"""Whether the deployment that is timed answers what was verified, before and in its rounds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.errors import WrongOutputs
from vitbench.heads import HEADS, SINGLE_LABEL, Frame, Head, Pair, frame_of

SHARES = 5  # of the rounds; one round of each is compared
NEAR = 4.0  # so many times what repeated calls differ by is within their reach

Logits = NDArray[np.float32]


def drawn_rounds(rounds: int, seed: int) -> frozenset[int]:
    """The rounds, from 0, whose outputs are compared: one of each fifth by chance, and the last."""
    generator = np.random.default_rng(seed)
    fifths = [part for part in np.array_split(np.arange(rounds), SHARES) if len(part)]
    return frozenset([*(int(generator.choice(part)) for part in fifths), rounds - 1])


def one_of_each(turns: int, seed: int) -> Iterator[bool]:
    """For ever: True once in each so many turns, by chance."""
    generator = np.random.default_rng(seed)
    while True:
        chosen = generator.integers(turns)
        yield from (turn == chosen for turn in range(turns))


@dataclass(frozen=True)
class Reading:
    """How a witness reads outputs: by a head, and by what its frame needs of the sample."""

    head: str = SINGLE_LABEL
    threshold: float = 0.5
    spread: Sequence[float] = ()

    @classmethod
    def of(cls, measured: Mapping[str, Any]) -> "Reading":
        """As a case was verified. A head that needs no spread has none."""
        if measured["head"] == SINGLE_LABEL:
            return cls()
        return cls(measured["head"], measured["threshold"], tuple(measured["spread"]))

    def frame(self, verified: Logits) -> Frame:
        known = frame_of(verified, self.threshold)
        return replace(known, spread=np.asarray(self.spread)) if len(self.spread) else known


SINGLE = Reading()


class Witness:
    """Compares one deployment's outputs on one batch with `verified`, (N, C), of verification.

    They must be equal to the bit where the deployment repeats itself to the bit, else within
    `limits`, image by image. `name` is what a person knows the deployment by. Of a `device` that is
    no CPU every process may choose other kernels: there the answers before the rounds must be
    within the limits, and those in the rounds equal to them. What is not `exact` may answer within
    the limits though it repeats itself: a server joins the requests of several clients to batches.
    """

    def __init__(
        self,
        name: str,
        verified: Logits,
        limits: Limits,
        device: str = "cpu",
        reading: Reading = SINGLE,
        exact: bool = True,
    ) -> None:
        self.name, self.limits = name, limits
        self._head, self._frame = HEADS[reading.head], reading.frame(verified)
        self.verified = self._expected = verified
        self._device, self._exact = device, exact
        self.repeatable = True
        self.compared = 0
        self.largest_difference = 0.0
        self._repeats_within = 0.0

    def begin(self, answers: Sequence[Logits], when: str = "before its rounds") -> None:
        """The answers of two or more calls in a row, of which the last two say whether the
        deployment repeats itself. Raises WrongOutputs where they are not what was verified."""
        for answer in answers:
            self._refuse(when, unusable(answer, self.verified.shape))
        self._repeats_within = _largest(answers[-1], answers[-2])
        self.repeatable = self._exact and _same(answers[-1], answers[-2])
        if self.repeatable and self._device != "cpu":
            usual = self._head.size(self._pair(answers[-1]))
            self._refuse(when, self._beyond(answers[-1], self.limits.relative_error * usual))
            self._expected = answers[-1]
        for answer in answers:
            self.see(answer, when)

    def see(self, answer: Logits, when: str) -> None:
        """One more answer. Raises WrongOutputs, which names what differs, where it is another."""
        self.compared += 1
        problem = unusable(answer, self.verified.shape)
        if not problem:
            self.largest_difference = max(self.largest_difference, _largest(answer, self.verified))
            if self.repeatable:
                problem = unequal(self._pair(answer, self._expected), self._head)
            else:
                problem = self._beyond(answer, self._repeats_within)
        self._refuse(when, problem)

    def to_json(self) -> dict[str, Any]:
        return {
            "compared": self.compared,
            "repeatable": self.repeatable,
            "largest_difference": self.largest_difference,
        }

    def _beyond(self, answer: Logits, repeats_within: float) -> str | None:
        return beyond(self._pair(answer), self._head, self.limits, repeats_within)

    def _pair(self, answer: Logits, beside: Logits | None = None) -> Pair:
        """An answer beside another, which is the verified one unless given."""
        beside = self.verified if beside is None else beside
        return Pair(answer.astype(np.float64), beside.astype(np.float64), self._frame)

    def _refuse(self, when: str, problem: str | None) -> None:
        if problem:
            advice = "if an earlier run verified it, use --rebuild or another --cache"
            if not self._exact:
                advice = "was another model deployed meanwhile? Run again once it is settled"
            raise WrongOutputs(
                f"{self.name}: its outputs {when} are not those that were verified: {problem}. It "
                f"is not timed; {advice}"
            )


def added(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> dict[str, Any]:
    """What two witnesses of one case say together, as `to_json` does."""
    if other is None:
        return dict(one)
    return {
        "compared": one["compared"] + other["compared"],
        "repeatable": one["repeatable"] and other["repeatable"],
        "largest_difference": max(one["largest_difference"], other["largest_difference"]),
    }


def unusable(answer: Logits, shape: tuple[int, ...]) -> str | None:
    """What makes an answer no logits of that shape, in words."""
    if answer.shape != shape:
        return f"the shape is {answer.shape}, not {shape}"
    wrong = len(answer) - int(np.isfinite(answer).all(axis=1).sum())
    return f"{wrong} of {len(answer)} are not finite" if wrong else None


def unequal(pair: Pair, head: Head) -> str | None:
    """How two arrays (N, C) differ, in words; None where they are equal to the bit."""
    own, verified = pair.own, pair.reference
    if _same(own, verified):
        return None
    rows = [i for i in range(len(own)) if not _same(own[i], verified[i])]
    how = f"by up to {_largest(own, verified):.3g} in an output"
    return f"{len(rows)} of {len(own)} differ, {how}{_changed(pair, head)}"


def beyond(pair: Pair, head: Head, limits: Limits, repeats_within: float) -> str | None:
    """What is outside of the limits in an answer that repeats itself only within
    `repeats_within` (an output), in words. Each image counts by itself: its relative error, of a
    single label its cosine; what is decided otherwise though it was no near call; and an answer
    that is another image's.
    """
    error, reach = head.errors(pair), NEAR * repeats_within
    a, b = head.scaled(pair.own, pair.frame), head.scaled(pair.reference, pair.frame)
    cosine = np.ones(len(a))
    if head.name == SINGLE_LABEL:
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosine = (a * b).sum(1) / np.maximum(norms, np.finfo(float).tiny)
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    others = np.sqrt(np.maximum(squares, 0.0)).min(axis=1)
    now, then = head.decided(pair)
    for wrong, what in (
        (~(error <= limits.relative_error), f"{head.error_name} over {limits.relative_error:g}"),
        (~(cosine >= limits.cosine), f"a cosine under {limits.cosine:g}"),
        (
            np.linalg.norm(a - b, axis=1) - others > reach * np.sqrt(b.shape[1]),
            "the answer of another image",
        ),
        (((now != then) & (head.margins(pair) > reach)).any(axis=1), f"another {head.noun}"),
    ):
        if wrong.any():
            worst = f"up to {error.max():.2g}"
            return (
                f"{int(wrong.sum())} of {len(a)} have {what} ({head.error_name} {worst})"
                f"{_changed(pair, head)}"
            )
    return None


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.tobytes() == other.tobytes()


def _largest(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one.astype(np.float64) - other).max(initial=0.0))


def _changed(pair: Pair, head: Head) -> str:
    """How many images are decided otherwise, and what of the first; empty where none is."""
    now, then = head.decided(pair)
    changed = (now != then).any(axis=1)
    for image in np.flatnonzero(changed)[:1]:
        place = int(np.flatnonzero(now[image] != then[image])[0])
        what = "class" if head.name == SINGLE_LABEL else f"label {place}"
        return (
            f"; {head.noun} of {int(changed.sum())} changed, of image {image} from {what} "
            f"{then[image, place]} to {now[image, place]}"
        )
    return ""
