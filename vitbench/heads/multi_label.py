"""Any number of labels an image, sigmoid: two answers agree where the same set is above the
threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.heads import centred, sides
from vitbench.heads.base import Findings, Measured, Outputs, Pair, Spoken
from vitbench.heads.shares import share_of, worth
from vitbench.heads.words import percent, rounded, sigmoid


class MultiLabel(sides.Sided):
    name = "multi-label"
    noun = "set of labels"

    def columns(self, pair: Pair) -> dict[str, list[Any]]:
        """`chosen` has the indices of the labels above the threshold, `unequal` how many labels are
        on the other side. `margin` is the reference's logit's largest distance from the threshold's
        among those, or its least among all."""
        own, reference = self.decided(pair)
        differ, logit = own != reference, pair.frame.logit
        return {
            "chosen": _chosen(own),
            "reference_chosen": _chosen(reference),
            "unequal": differ.sum(1).tolist(),
            "margin": rounded(_margin(np.abs(pair.reference - logit), differ)),
            "own_margin": rounded(_margin(np.abs(pair.own - logit), differ)),
            "delta_square": centred.delta_square(pair),
        }

    def judged(self, measured: Measured, limits: Limits) -> Findings:
        """As `sides.judged`, with the share of all labels that are equal."""
        hits, classes = _hits(measured), len(measured["class_names"])
        equal = 1 - sum(measured["unequal"]) / (len(hits) * classes) if hits else 0.0
        size = share_of(hits, measured).size
        more = f"; {percent(equal)} of all labels are equal"
        return sides.judged(measured, limits, hits, _flips(measured, hits, size, self.noun), more)

    def doomed(self, measured: Measured, limits: Limits) -> bool:
        return sides.doomed(measured, limits, _hits(measured))

    def answers(self, measured: Measured) -> tuple[list[Any], list[Any]]:
        return measured["chosen"], measured["reference_chosen"]

    def shown(self, answer: Any, names: Sequence[str]) -> str:
        return ", ".join(names[index] for index in answer) or "no label"

    def lines(self, outputs: Outputs, model: Spoken, top: int) -> list[str]:
        """The labels above the threshold, likeliest first; others up to so many in all."""
        odds = [sigmoid(float(each)) for each in outputs]
        order = [int(index) for index in np.argsort(-outputs, kind="stable")]
        above = sum(each > model.threshold for each in odds)
        said = [] if above else [f"no label above {model.threshold:g}"]
        for place, index in enumerate(order[: max(above, top)]):
            beneath = f" (not above {model.threshold:g})" * (place >= above)
            said.append(f"{index:5d}  {odds[index]:6.1%}  {model.names[index]}{beneath}")
        return said


def _chosen(decided: NDArray[np.int64]) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in decided]


def _hits(measured: Measured) -> list[bool]:
    return [not count for count in measured["unequal"]]


def _margin(far: Outputs, differ: NDArray[np.bool_]) -> Outputs:
    flipped = np.where(differ, far, -np.inf).max(axis=1)
    return np.asarray(np.where(differ.any(axis=1), flipped, far.min(axis=1)))


def _flips(measured: Measured, hits: Sequence[bool], size: float, noun: str) -> str:
    flips = [index for index, hit in enumerate(hits) if not hit]
    worst = sorted(flips, key=lambda index: -measured["margin"][index])[:2]
    named = f" ({'; '.join(_flip(measured, index) for index in worst)})" if flips else ""
    return f"{noun} differs on {len(flips)} of {len(hits)} images{worth(size, len(hits))}{named}"


def _flip(measured: Measured, index: int) -> str:
    then, now = set(measured["reference_chosen"][index]), set(measured["chosen"][index])
    parts = [
        f"{sign}{measured['class_names'][label].split(',')[0]}"
        for sign, labels in (("without ", then - now), ("with ", now - then))
        for label in sorted(labels)[:1]
    ]
    return f"{' and '.join(parts)}, margin {measured['margin'][index]:.2f}"
