"""One logit, sigmoid: two answers agree where they lie on the same side of the threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitbench.case import Limits
from vitbench.heads import centred, sides
from vitbench.heads.base import Findings, Measured, Outputs, Pair, Spoken
from vitbench.heads.classes import hits_of, top_flips
from vitbench.heads.shares import share_of
from vitbench.heads.words import rounded, sigmoid


class Binary(sides.Sided):
    name = "binary"
    noun = "side of the threshold"
    labelled = True

    def columns(self, pair: Pair) -> dict[str, list[Any]]:
        """`top1` is the side: 1 above the threshold, else 0. A margin is the logit's distance from
        the threshold's."""
        logit = pair.frame.logit
        sides = {"": pair.own[:, 0] > logit, "reference_": pair.reference[:, 0] > logit}
        found: dict[str, list[Any]] = {
            **{f"{prefix}top1": side.astype(int).tolist() for prefix, side in sides.items()},
            "margin": rounded(np.abs(pair.reference[:, 0] - logit)),
            "own_margin": rounded(np.abs(pair.own[:, 0] - logit)),
            "delta_square": centred.delta_square(pair),
        }
        if pair.labels is not None:
            truth = np.asarray(pair.labels) == 1
            found |= {f"{name}top1_hits": (side == truth).tolist() for name, side in sides.items()}
        return found

    def judged(self, measured: Measured, limits: Limits) -> Findings:
        """As `sides.judged`. A cosine of one number is its sign alone, so none is taken."""
        hits = hits_of(measured)
        size = share_of(hits, measured).size
        return sides.judged(measured, limits, hits, top_flips(measured, hits, size, self.noun))

    def doomed(self, measured: Measured, limits: Limits) -> bool:
        return sides.doomed(measured, limits, hits_of(measured))

    def answers(self, measured: Measured) -> tuple[list[Any], list[Any]]:
        return measured["top1"], measured["reference_top1"]

    def names(self, labels: Sequence[str]) -> list[str]:
        """Of no and of yes."""
        return [f"not {labels[0]}", labels[0]] if len(labels) == 1 else list(labels)

    def lines(self, outputs: Outputs, model: Spoken, top: int) -> list[str]:
        """The probability of yes, and the side."""
        odds, (no, yes) = sigmoid(float(outputs[0])), model.names
        side, where = (yes, "above") if odds > model.threshold else (no, "not above")
        return [f"{odds:6.1%} {yes}: {side} ({where} {model.threshold:g})"]
