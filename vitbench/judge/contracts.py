"""Whether a case predicts what its reference predicts: measured arrays against a contract."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vitbench.case import Contract
from vitbench.judge.stats import CONFIDENCE, clopper_pearson, clustered_size, effective_size


@dataclass(frozen=True)
class Agreement:
    """What a contract makes of a case's predictions.

    `matched` of `images` have the reference's top-1; `share` is their ratio, `lower` and `upper`
    its one-sided 95 % bounds for `effective_images` independent images. `cosine` is the mean over
    images, `relative_error` |delta| / |reference| over all their logits. Floats are NaN where no
    image was measured. `top1`, `top5` and `reference_top1` are accuracies, None without labels.
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

    def to_json(self) -> dict[str, Any]:
        """The fields, with null for what is not a finite number: JSON has no NaN."""
        values = asdict(self)
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in values.items()
        }


def judge_agreement(measured: Mapping[str, Any], contract: Contract, subject: str) -> Agreement:
    """Judge what measuring wrote against the contract. `subject` begins the sentence.

    BROKEN: a problem (non-finite, misshapen), the mean cosine or the relative logit error outside
    its limit, or an upper bound of agreement below the contract. KEPT: the lower bound reaches
    it. UNPROVEN: too few images to tell. Synthetic weights are judged on the numeric limits
    alone. Where measuring stopped early, the images measured are what is judged, and what
    `doomed` is BROKEN. The sentence names at most two flips, those where the reference was
    surest (largest margin): a near call that flips is harmless, a sure one is not.
    """
    hits = _hits(measured)
    images = len(hits)
    size = effective_size(hits, measured["clusters"][:images])
    share = float(np.mean(hits)) if images else math.nan
    lower, upper = clopper_pearson(share * size, size) if images else (0.0, 1.0)
    cosine, error = _mean(measured["cosine"]), _relative_error(measured, images)
    claimed = not measured["synthetic"]

    broken = [str(measured["problem"])] if measured["problem"] else []
    if images and not cosine >= contract.cosine:
        broken.append(f"mean cosine {_down(cosine, 5)}, contract at least {contract.cosine:g}")
    if images and not error <= contract.relative_error:
        broken.append(
            f"relative logit error {error:.4g}, contract at most {contract.relative_error:g}"
        )
    if claimed and upper < contract.agreement:
        broken.append(_agreement_words(measured, hits, size, "upper", upper, contract))
    if not broken and doomed(measured, contract):
        broken.append("outside its contract whatever the remaining images give")

    if broken:
        state, words = "BROKEN", "; ".join(broken)
        if images < measured["total"]:
            words = f"stopped after {images} of {measured['total']} images: {words}"
    elif not claimed:
        state = "KEPT"
        words = (
            f"cosine {_down(cosine, 5)}, relative logit error {error:.4g} (contract "
            f"{contract.cosine:g}, {contract.relative_error:g}); top-1 equal on {images_of(hits)}, "
            "not claimed: the weights are synthetic"
        )
    else:
        state = "KEPT" if lower >= contract.agreement else "UNPROVEN"
        words = _agreement_words(measured, hits, size, "lower", lower, contract)
    sentence = f"{subject}: {words}: {state}"
    if state == "UNPROVEN":
        sentence += f" ({_needed(contract.agreement)})"
    return Agreement(
        state=state,
        sentence=sentence,
        matched=sum(hits),
        images=images,
        effective_images=size,
        share=share,
        lower=lower,
        upper=upper,
        cosine=cosine,
        relative_error=error,
        top1=_accuracy(measured["top1_hits"]),
        top5=_accuracy(measured["top5_hits"]),
        reference_top1=_accuracy(measured["reference_top1_hits"]),
        claimed=claimed,
    )


def doomed(measured: Mapping[str, Any], contract: Contract) -> bool:
    """Whether the verdict is BROKEN whatever the images still to come give.

    Curtailed sampling: as the rest is taken at its best (equal logits, equal top-1, and the
    least effective size that clusters can leave, ICC 1), looking after every batch inflates no
    error. Source: Jennison and Turnbull, Group Sequential Methods (2000), chapter 10.
    """
    if measured["problem"]:
        return True
    hits, total = _hits(measured), measured["total"]
    left = total - len(hits)
    if not _relative_error(measured, total) <= contract.relative_error:
        return True
    if not (sum(measured["cosine"]) + left) / total >= contract.cosine:
        return True
    if measured["synthetic"]:
        return False
    size = clustered_size(measured["clusters"], icc=1.0)
    _, upper = clopper_pearson((sum(hits) + left) / total * size, size)
    return upper < contract.agreement


def percent(value: float) -> str:
    """A share in per cent to one decimal, rounded down.

    Rounded down, a figure stands on the same side of a contract as the value itself: 95.97 %
    is not shown as the 96.0 % that it failed to reach.
    """
    return f"{_down(value * 100, 1)} %"


def _down(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return str(value)
    # 0.57 * 1000 is 569.99...: round off the float's own error first.
    return f"{math.floor(round(value * 10**digits, 6)) / 10**digits:.{digits}f}"


def _hits(measured: Mapping[str, Any]) -> list[bool]:
    return [a == b for a, b in zip(measured["top1"], measured["reference_top1"], strict=True)]


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _accuracy(hits: list[bool] | None) -> float | None:
    return float(np.mean(hits)) if hits else None


def _relative_error(measured: Mapping[str, Any], images: int) -> float:
    """|delta| of what is measured over |reference| of the first `images`; NaN for no images."""
    reference = sum(measured["reference_square"][:images])
    return math.sqrt(sum(measured["delta_square"]) / reference) if reference else math.nan


def images_of(hits: list[bool]) -> str:
    return f"{percent(sum(hits) / len(hits))} of {len(hits)} images"


def _needed(share: float) -> str:
    """How many images without one flip prove a share: share ** n <= 5 %."""
    if share >= 1:
        return "no number of images can prove 100 %"
    images = math.ceil(math.log(1 - CONFIDENCE) / math.log(share))
    return f"{share * 100:g} % needs {images} images of different photographs without a flip"


def _agreement_words(
    measured: Mapping[str, Any],
    hits: list[bool],
    size: float,
    side: str,
    bound: float,
    contract: Contract,
) -> str:
    images, flips = len(hits), [index for index, hit in enumerate(hits) if not hit]
    words = f"top-1 differs on {len(flips)} of {images} images"
    if flips:
        worst = sorted(flips, key=lambda index: -measured["margin"][index])[:2]
        words += f" ({'; '.join(_flip(measured, index) for index in worst)})"
    if round(size) < images:
        words += f" worth {size:.0f} independent ones"
    promise = f"{side} bound {percent(bound)}, contract {contract.agreement * 100:g} %"
    return f"{words}; {percent((images - len(flips)) / images)}, {promise}"


def _flip(measured: Mapping[str, Any], index: int) -> str:
    names = measured["class_names"]
    # ImageNet names list synonyms: "tench, Tinca tinca".
    was, now = (
        names[measured[key][index]].split(",")[0].strip() for key in ("reference_top1", "top1")
    )
    return f"{was} to {now}, margin {measured['margin'][index]:.2f}"
