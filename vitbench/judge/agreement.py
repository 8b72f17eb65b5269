"""Whether a case predicts what its reference predicts: measured arrays against limits."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vitbench.case import Limits
from vitbench.heads import HEADS, SINGLE_LABEL

OF_SOME_HEADS = ("error", "error_upper", "centred_cosine")


@dataclass(frozen=True)
class Agreement:
    """What a case's predictions are beside those of its reference, within its limits or not.

    `matched` of `images` have the reference's answer; `share` is their ratio, `lower` and `upper`
    its one-sided 95 % bounds for `effective_images` independent images. What an answer is, `head`
    says (vitbench/heads): the top-1, a side of the threshold, a set of labels, the nearest
    neighbour; a regression has none, and so no share.
    `cosine` is the mean over images, `relative_error` |delta| / |reference| over all their logits:
    of `single-label`. Other heads take both off the reference's mean: `relative_error` is
    |delta| / |reference - mean|, of a `regression` also in `error` with its upper bound, and
    `centred_cosine` is that of an `embedding`. These are NaN where no image was measured.
    `top1`, `top5` and `reference_top1` are accuracies, None without labels.
    `claimed` is False for synthetic weights, whose agreement means nothing.
    """

    state: str
    sentence: str
    matched: int
    images: int
    effective_images: float
    share: float
    lower: float
    upper: float
    cosine: float
    relative_error: float
    top1: float | None
    top5: float | None
    reference_top1: float | None
    claimed: bool
    head: str = SINGLE_LABEL
    error: float | None = None
    error_upper: float | None = None
    centred_cosine: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields, with null for what is not a finite number: JSON has no NaN. What only other
        heads have is left out."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
            if value is not None or key not in OF_SOME_HEADS
        }


def judge_agreement(measured: Mapping[str, Any], limits: Limits, subject: str) -> Agreement:
    """Judge what measuring wrote by the limits of a variant. `subject` begins the sentence.

    BROKEN: a problem (non-finite, misshapen), a limit that the model's head finds broken
    (`Head.judged`), or two images, or two outputs, with each other's answers. KEPT: the head finds
    it proven. UNPROVEN: too few images to decide. Synthetic weights are judged on the numeric
    limits alone. Where measuring stopped early, the images measured are judged; what is `doomed` is
    BROKEN.
    Raises ValueError where neither an image nor a problem was measured.
    """
    images, problem = len(measured["delta_square"]), measured["problem"]
    if not images and not problem:
        raise ValueError("judge_agreement wants at least one image")
    head, claimed = HEADS[measured.get("head", SINGLE_LABEL)], not measured["synthetic"]
    found = head.judged(measured, limits)
    broken = [str(problem)] if problem else [*found.broken, *measured.get("exchanged", ())]
    if broken:
        state, words = "BROKEN", "; ".join(filter(None, [*broken, measured.get("mistaken")]))
        if images < measured["total"]:
            words = f"stopped after {images} of {measured['total']} images: {words}"
    elif claimed:
        state, words = "KEPT" if found.proven else "UNPROVEN", found.words
    else:
        state, words = "KEPT", found.numbers
    sentence = f"{subject}: {words}: {state}"
    if state == "UNPROVEN":
        sentence += f" ({found.needed})"
    return Agreement(
        state=state,
        sentence=sentence,
        matched=found.matched,
        images=images,
        effective_images=found.effective_images,
        share=found.share,
        lower=found.lower,
        upper=found.upper,
        cosine=found.cosine,
        relative_error=found.relative_error,
        top1=_accuracy(measured.get("top1_hits")),
        top5=_accuracy(measured.get("top5_hits")),
        reference_top1=_accuracy(measured.get("reference_top1_hits")),
        claimed=claimed,
        head=head.name,
        error=found.error,
        error_upper=found.error_upper,
        centred_cosine=found.centred_cosine,
    )


def doomed(measured: Mapping[str, Any], limits: Limits) -> bool:
    """Whether the state is BROKEN for any result of the remaining images.

    Curtailed sampling: the rest is taken at its best (equal outputs), so looking after every batch
    inflates no error.
    Source: Jennison and Turnbull, Group Sequential Methods (2000), chapter 10.
    """
    if measured["problem"]:
        return True
    return HEADS[measured.get("head", SINGLE_LABEL)].doomed(measured, limits)


def _accuracy(hits: list[bool] | None) -> float | None:
    return float(np.mean(hits)) if hits else None
