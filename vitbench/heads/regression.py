"""Values, of which each output is a quantity of its own: how far they are from the reference's.

Each output has its own centred relative error, and the largest counts: outputs have other units,
and a common norm would let a large one hide a small one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitbench.case import Limits
from vitbench.heads import centred
from vitbench.heads.base import Findings, Frame, Head, Measured, Outputs, Pair, Spoken
from vitbench.heads.words import rounded
from vitbench.stats.intervals import error_upper

LEAST_PHOTOGRAPHS = 20
"""An interval from fewer says nothing."""


@dataclass(frozen=True)
class _Output:
    """One output. By image the squares of own less reference (of those done), and of reference less
    mean (of the first so many). Of an output that is `flat`, whose reference does not vary over the
    sample, these are the squares of the reference: its size is all that is known."""

    name: str
    deltas: Outputs
    spreads: Outputs
    flat: bool

    @property
    def error(self) -> float:
        return centred.ratio(float(self.deltas.sum()), float(self.spreads.sum()))


class Regression(Head):
    name = "regression"
    noun = "value"
    shares = False
    least_photographs = LEAST_PHOTOGRAPHS

    def begin(self, pair: Pair) -> dict[str, list[Any]]:
        return {"reference_values": [rounded(row) for row in pair.reference]}

    def columns(self, pair: Pair) -> dict[str, list[Any]]:
        return {
            "values": [rounded(row) for row in pair.own],
            "delta_square": centred.delta_square(pair),
        }

    def judged(self, measured: Measured, limits: Limits) -> Findings:
        """By the largest error of an output over the sample. An upper bound of it proves it, a
        jackknife over LEAST_PHOTOGRAPHS photographs at least."""
        images, limit = len(measured["values"]), limits.relative_error
        clusters = measured["clusters"][:images]
        photographs, found = len(set(clusters)), _outputs(measured, images)
        uppers = [
            error_upper(each.deltas.tolist(), each.spreads.tolist(), clusters) for each in found
        ]
        worst = max(found, key=lambda each: each.error, default=None)
        error, upper = worst.error if worst else math.nan, max(uppers, default=math.inf)
        named = f" of {worst.name}" if worst and len(found) > 1 else ""
        words = f"centred relative error {error:.4g}{named}"
        flat = [each.name for each in found if each.flat]
        broken = [
            phrase
            for each in found
            for phrase in centred.over(each.error, limits, f"centred relative error of {each.name}")
        ]
        return Findings(
            broken=() if measured["problem"] else tuple(broken),
            proven=upper <= limit and photographs >= LEAST_PHOTOGRAPHS and not flat,
            words=f"{words}, upper bound {upper:.4g} ({images} images), limit {limit:g}",
            numbers=f"{words}, limit {limit:g}; synthetic weights, so that no bound is claimed",
            needed=_needed(photographs, flat),
            effective_images=float(photographs),
            relative_error=error,
            error=error,
            error_upper=upper,
        )

    def doomed(self, measured: Measured, limits: Limits) -> bool:
        """What is still to come only adds to the error, and its spread is known."""
        found = _outputs(measured, measured["total"])
        return any(centred.over(each.error, limits) for each in found)

    def answers(self, measured: Measured) -> tuple[list[Any], list[Any]]:
        return measured["values"], measured["reference_values"]

    def tolerance(self, measured: Measured, limits: Limits) -> list[float]:
        """What the limits allow of each output's spread."""
        return rounded(limits.relative_error * np.asarray(measured["spread"]))

    def shown(self, answer: Any, names: Sequence[str]) -> str:
        named = zip(names or [""] * len(answer), answer, strict=True)
        return ", ".join(f"{name} {value:.6g}".strip() for name, value in named)

    def scaled(self, outputs: Outputs, frame: Frame) -> Outputs:
        """Each output in its own spread."""
        return np.asarray(outputs / np.where(frame.spread > 0, frame.spread, 1.0))

    def errors(self, pair: Pair) -> Outputs:
        """Of the output that is worst."""
        return np.asarray(np.abs(self.scaled(pair.own - pair.reference, pair.frame)).max(axis=1))

    def size(self, pair: Pair) -> float:
        return 1.0

    def lines(self, outputs: Outputs, model: Spoken, top: int) -> list[str]:
        """A value a line, with the output's name where it has one."""
        named = zip(outputs, model.names or [""] * len(outputs), strict=True)
        return [f"{value:12.6g}  {name}".rstrip() for value, name in named]


def _outputs(measured: Measured, images: int) -> list[_Output]:
    """Those of what was measured, with the spreads of the first `images`; none of no image."""
    reference = np.asarray(measured["reference_values"], dtype=np.float64)
    own = np.asarray(measured["values"], dtype=np.float64)
    found = []
    for place in range(reference.shape[1] if len(own) else 0):
        values, names = reference[:, place], measured["class_names"]
        flat = not values.std() > centred.FLAT * float(np.abs(values).max())
        spreads = np.square(values if flat else values - values.mean())
        deltas = np.square(own[:, place] - values[: len(own)])
        name = f"{names[place]!r}" if names else f"output {place}"
        found.append(_Output(name, deltas, spreads[:images], flat))
    return found


def _needed(photographs: int, flat: Sequence[str]) -> str:
    if flat:
        return f"the reference answers all images alike in {flat[0]}: give others with --images=DIR"
    if photographs >= LEAST_PHOTOGRAPHS:
        return "more images may prove it"
    return (
        f"a bound needs at least {LEAST_PHOTOGRAPHS} independent images, and the sample has "
        f"{photographs}: give them with --images=DIR"
    )
