"""What heads of a sigmoid share: a share of equal answers, and the centred error of the logits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.heads import centred
from vitbench.heads.base import Findings, Head, Measured, Outputs, Pair
from vitbench.heads.shares import against, beneath, best_upper, needed, share_of
from vitbench.heads.words import percent


def judged(
    measured: Measured, limits: Limits, hits: Sequence[bool], flips: str, more: str = ""
) -> Findings:
    """By the centred relative error of all logits, and the bounds of the share of `hits`. `flips`
    says how many differ; `more` ends the words."""
    found, error = share_of(hits, measured), centred.centred_error(measured, len(hits))
    flat = centred.flat(measured)
    broken = []
    if not measured["problem"]:
        broken = centred.over(error, limits)
        if not measured["synthetic"] and found.upper < limits.agreement:
            broken.append(f"{flips}; {beneath(found, limits.agreement)}")
    of_error = f"centred relative error {error:.4g}, limit {limits.relative_error:g}"
    return Findings(
        broken=tuple(broken),
        proven=found.lower >= limits.agreement and not flat,
        words=f"{of_error}; {flips}; {against(found, limits.agreement)}{more}",
        numbers=(
            f"{of_error}; synthetic weights, so that agreement ({percent(found.share)} of "
            f"{len(hits)} images) is not claimed"
        ),
        needed=centred.ALIKE if flat else needed(limits.agreement),
        effective_images=found.size,
        matched=found.matched,
        share=found.share,
        lower=0.0 if flat else found.lower,
        upper=found.upper,
        relative_error=error,
    )


def doomed(measured: Measured, limits: Limits, hits: Sequence[bool]) -> bool:
    return centred.doomed(measured, limits) or (
        not measured["synthetic"] and best_upper(hits, measured) < limits.agreement
    )


class Sided(Head):
    """A head whose every output lies above the threshold or not."""

    def decided(self, pair: Pair) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """1 above the threshold, else 0."""
        logit = pair.frame.logit
        return (pair.own > logit).astype(np.int64), (pair.reference > logit).astype(np.int64)

    def mistaken(self, pair: Pair) -> str:
        """Of probabilities beside logits."""
        low, high = pair.reference.min(), pair.reference.max()
        odds = 1 / (1 + np.exp(-np.clip(pair.reference, -500, 500)))
        if (low >= 0 and high <= 1) or np.abs(pair.own - odds).max() > 0.05:
            return ""
        return (
            "its outputs are those of a sigmoid, and the reference's are logits: build it without "
            "the sigmoid"
        )

    def margins(self, pair: Pair) -> Outputs:
        return np.asarray(np.abs(pair.reference - pair.frame.logit))
