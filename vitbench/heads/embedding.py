"""A vector an image: its direction beside the others', its size, and who is nearest to whom.

The cosine is taken off the reference's mean over the sample, since vectors of one model have much
in common. It says nothing of a scale, which the centred relative error sees.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.heads import centred
from vitbench.heads.base import BLOCK, TINY, Findings, Frame, Head, Measured, Outputs, Pair, Spoken
from vitbench.heads.shares import against, beneath, mean, needed, share_of, worth
from vitbench.heads.words import percent, round_down, rounded

LEAST_PHOTOGRAPHS = 100
"""Nearest neighbours among fewer prove nothing."""
_BESIDE = 4096  # images among which neighbours are sought at a time

Logits = NDArray[np.float32]


class Embedding(Head):
    name = "embedding"
    noun = "nearest neighbour"
    least_photographs = LEAST_PHOTOGRAPHS

    def columns(self, pair: Pair) -> dict[str, list[Any]]:
        """`centred` is the cosine of own and reference, each less the reference's mean."""
        a, b = pair.own - pair.frame.mean, pair.reference - pair.frame.mean
        norms = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
        cosine = np.divide((a * b).sum(1), norms, out=np.zeros(len(a)), where=norms > 0)
        return {"centred": rounded(cosine), "delta_square": centred.delta_square(pair)}

    def finish(
        self, own: Logits, reference: Logits, frame: Frame, clusters: Sequence[str]
    ) -> dict[str, list[Any]]:
        """Of each image the index of the nearest image of another photograph, by the centred
        cosine; nothing where all images are of one photograph."""
        if len(set(clusters)) < 2:
            return {}
        return {
            "neighbour": _nearest(own, frame.mean, clusters),
            "reference_neighbour": _nearest(reference, frame.mean, clusters),
        }

    def judged(self, measured: Measured, limits: Limits) -> Findings:
        """By the mean centred cosine, the centred relative error, and the bounds of the share of
        equal nearest neighbours, which LEAST_PHOTOGRAPHS at least can prove."""
        images, photographs = len(measured["centred"]), len(set(measured["clusters"]))
        hits, cosine = self._hits(measured), mean(measured["centred"])
        found, error = share_of(hits, measured), centred.centred_error(measured, images)
        limit, flat, broken = limits.least_neighbours, centred.flat(measured), []
        differ = (
            f"{self.noun} differs on {len(hits) - found.matched} of {len(hits)} images"
            f"{worth(found.size, len(hits))}"
        )
        if not measured["problem"]:
            if not flat and not cosine >= limits.cosine:
                least = f"limit at least {limits.cosine:g}"
                broken.append(f"mean centred cosine {round_down(cosine, 5)}, {least}")
            broken += centred.over(error, limits)
            if not measured["synthetic"] and hits and found.upper < limit:
                broken.append(f"{differ}; {beneath(found, limit)}")
        numbers = (
            f"centred cosine {round_down(cosine, 5)}, centred relative error {error:.4g}, limits "
            f"{limits.cosine:g} and {limits.relative_error:g}"
        )
        few = photographs < LEAST_PHOTOGRAPHS
        return Findings(
            broken=tuple(broken),
            proven=found.lower >= limit and not few and not flat,
            words=f"{numbers}; {differ}; {against(found, limit)}",
            numbers=(
                f"{numbers}; synthetic weights, so that equal nearest neighbours "
                f"({percent(found.share)} of {len(hits)} images) are not claimed"
            ),
            needed=(
                f"nearest neighbours need at least {LEAST_PHOTOGRAPHS} independent images, and the "
                f"sample has {photographs}: give them with --images=DIR"
                if few
                else (centred.ALIKE if flat else needed(limit))
            ),
            effective_images=found.size,
            matched=found.matched,
            share=found.share,
            lower=0.0 if few or flat else found.lower,
            upper=found.upper,
            relative_error=error,
            centred_cosine=cosine,
        )

    def doomed(self, measured: Measured, limits: Limits) -> bool:
        """Nearest neighbours are known at the end alone."""
        if not measured["centred"]:
            return False
        left = measured["total"] - len(measured["centred"])
        best_cosine = (sum(measured["centred"]) + left) / measured["total"]
        apart = not best_cosine >= limits.cosine and not centred.flat(measured)
        return apart or centred.doomed(measured, limits)

    def answers(self, measured: Measured) -> tuple[list[Any], list[Any]]:
        """Nothing where not the whole sample was measured."""
        return measured.get("neighbour", []), measured.get("reference_neighbour", [])

    def recorded(self, answer: Any, ids: Sequence[str]) -> Any:
        return ids[answer]

    def lines(self, outputs: Outputs, model: Spoken, top: int) -> list[str]:
        """The dimension, the norm, and the first numbers."""
        first = " ".join(f"{value:.4g}" for value in outputs[:5])
        more = " ..." * (len(outputs) > 5)
        return [f"{len(outputs)} numbers, norm {np.linalg.norm(outputs):.5g}: {first}{more}"]

    def beside(self, outputs: Outputs, first: Outputs) -> str:
        norms = max(float(np.linalg.norm(outputs) * np.linalg.norm(first)), TINY)
        return f"cosine with the first variant: {float(outputs @ first) / norms:.6f}"

    def _hits(self, measured: Measured) -> list[bool]:
        own, reference = self.answers(measured)
        return [a == b for a, b in zip(own, reference, strict=True)]


def _nearest(outputs: Logits, mean: Outputs, clusters: Sequence[str]) -> list[int]:
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    found: list[int] = []
    for start in range(0, len(outputs), BLOCK):
        block = slice(start, start + BLOCK)
        asking = _units(outputs[block], mean)
        nearest = np.zeros(len(asking), np.intp)
        best = np.full(len(asking), -np.inf)
        for first in range(0, len(outputs), _BESIDE):
            others = slice(first, first + _BESIDE)
            cosines = asking @ _units(outputs[others], mean).T
            cosines[member[block][:, None] == member[others]] = -np.inf
            there = cosines.argmax(axis=1)
            cosine = np.take_along_axis(cosines, there[:, None], axis=1)[:, 0]
            nearer = cosine > best
            nearest[nearer], best[nearer] = first + there[nearer], cosine[nearer]
        found += nearest.tolist()
    return found


def _units(outputs: Logits, mean: Outputs) -> Outputs:
    vectors = outputs - mean
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0))
