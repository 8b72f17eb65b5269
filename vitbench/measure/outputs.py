"""Whether the deployment that is timed answers what was verified, before and in its rounds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.errors import WrongOutputs

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


class Witness:
    """Compares one deployment's outputs on one batch with `verified`, (N, C), of verification.

    They must be equal to the bit where the deployment repeats itself to the bit, else within
    `limits`, image by image. `name` is what a person knows the deployment by. Of a `device` that is
    no CPU every process may choose other kernels: there the answers before the rounds must be
    within the limits, and those in the rounds equal to them.
    """

    def __init__(self, name: str, verified: Logits, limits: Limits, device: str = "cpu") -> None:
        self.name, self.limits = name, limits
        self.verified = self._expected = verified
        self._device = device
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
        self.repeatable = _same(answers[-1], answers[-2])
        if self.repeatable and self._device != "cpu":
            rounding = self.limits.relative_error * float(np.sqrt(np.square(self.verified).mean()))
            self._refuse(when, beyond(answers[-1], self.verified, self.limits, rounding))
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
                problem = unequal(answer, self._expected)
            else:
                problem = beyond(answer, self.verified, self.limits, self._repeats_within)
        self._refuse(when, problem)

    def to_json(self) -> dict[str, Any]:
        return {
            "compared": self.compared,
            "repeatable": self.repeatable,
            "largest_difference": self.largest_difference,
        }

    def _refuse(self, when: str, problem: str | None) -> None:
        if problem:
            raise WrongOutputs(
                f"{self.name}: its outputs {when} are not those that were verified: {problem}. It "
                "is not timed; if an earlier run verified it, use --rebuild or another --cache"
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


def unequal(answer: Logits, verified: Logits) -> str | None:
    """How two arrays (N, C) differ, in words; None where they are equal to the bit."""
    if _same(answer, verified):
        return None
    rows = [i for i in range(len(answer)) if not _same(answer[i], verified[i])]
    how = f"by up to {_largest(answer, verified):.3g} in a logit"
    return f"{len(rows)} of {len(answer)} differ, {how}{_other_classes(answer, verified)}"


def beyond(answer: Logits, verified: Logits, limits: Limits, repeats_within: float) -> str | None:
    """What is outside of the limits in an answer that repeats itself only within
    `repeats_within` (a logit), in words. Each image counts by itself: relative logit error and
    cosine; a top-1 that changed though it was no near call; and an answer that is another image's.
    """
    a, b = answer.astype(np.float64), verified.astype(np.float64)
    own, norm = np.linalg.norm(a - b, axis=1), np.linalg.norm(b, axis=1)
    error = own / np.maximum(norm, np.finfo(float).tiny)
    cosine = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * norm, np.finfo(float).tiny)
    order = np.argsort(-b, axis=1, kind="stable")
    first, second = order[:, 0], order[:, min(1, b.shape[1] - 1)]
    rows = np.arange(len(b))
    sure = b[rows, first] - b[rows, second] > NEAR * repeats_within
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    others = np.sqrt(np.maximum(squares, 0.0)).min(axis=1)
    reach = NEAR * repeats_within * np.sqrt(b.shape[1])
    for wrong, what in (
        (~(error <= limits.relative_error), f"relative logit error over {limits.relative_error:g}"),
        (~(cosine >= limits.cosine), f"a cosine under {limits.cosine:g}"),
        (own - others > reach, "the answer of another image"),
        (sure & (a.argmax(1) != first), "another top-1"),
    ):
        if wrong.any():
            worst = f"up to {error.max():.2g}"
            return (
                f"{int(wrong.sum())} of {len(a)} have {what} (relative logit error {worst})"
                f"{_other_classes(answer, verified)}"
            )
    return None


def _same(one: Logits, other: Logits) -> bool:
    return one.tobytes() == other.tobytes()


def _largest(one: Logits, other: Logits) -> float:
    return float(np.abs(one.astype(np.float64) - other).max(initial=0.0))


def _other_classes(answer: Logits, verified: Logits) -> str:
    """Of the first image whose top-1 changed, both classes; empty where none did."""
    now, then = answer.argmax(axis=1), verified.argmax(axis=1)
    for image in np.flatnonzero(now != then)[:1]:
        changed = int((now != then).sum())
        return (
            f"; top-1 of {changed} changed, of image {image} from class {then[image]} "
            f"to {now[image]}"
        )
    return ""
