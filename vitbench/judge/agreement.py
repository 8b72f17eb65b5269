"""Whether a case predicts what its reference predicts: measured arrays against limits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vitbench.case import Limits
from vitbench.stats.intervals import CONFIDENCE, clopper_pearson, clustered_size, effective_size


@dataclass(frozen=True)
class Agreement:
    """What a case's predictions are beside those of its reference, within its limits or not.

    `matched` of `images` have the reference's top-1; `share` is their ratio, `lower` and `upper`
    its one-sided 95 % bounds for `effective_images` independent images. `cosine` is the mean over
    images, `relative_error` |delta| / |reference| over all their logits. These are NaN where no
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
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def judge_agreement(measured: Mapping[str, Any], limits: Limits, subject: str) -> Agreement:
    """Judge what measuring wrote by the limits of a variant. `subject` begins the sentence.

    BROKEN: a problem (non-finite, misshapen), the mean cosine or the relative logit error outside
    its limit, or an upper bound of agreement below its limit. KEPT: the lower bound reaches
    it. UNPROVEN: too few images to decide. Synthetic weights are judged on the numeric limits
    alone. Where measuring stopped early, the images measured are judged; what is `doomed` is
    BROKEN. The sentence names at most two flips, those where the reference was surest (largest
    margin): a near call that flips worries nobody, a sure one should.
    Raises ValueError where neither an image nor a problem was measured.
    """
    hits, problem = _hits(measured), measured["problem"]
    images, claimed = len(hits), not measured["synthetic"]
    if not images and not problem:
        raise ValueError("judge_agreement wants at least one image")
    size = effective_size(hits, measured["clusters"][:images])
    share, cosine = _mean(hits), _mean(measured["cosine"])
    lower, upper = clopper_pearson(share * size, size) if images else (0.0, 1.0)
    if images < measured["total"]:  # few clusters so far: what is to come may already bound more
        upper = min(upper, _best_upper(measured))
    error = _relative_error(measured, images)
    flips = f"{_flips(measured, hits, size)}; {percent(share)}"
    least = f"limit {limits.agreement * 100:g} %"

    broken = [str(problem)] if problem else []
    if not problem and not cosine >= limits.cosine:
        broken.append(f"mean cosine {round_down(cosine, 5)}, limit at least {limits.cosine:g}")
    if not problem and not error <= limits.relative_error:
        most = limits.relative_error
        broken.append(f"relative logit error {error:.4g}, limit at most {most:g}")
    if not problem and claimed and upper < limits.agreement:
        broken.append(f"{flips}, upper bound {percent(upper)}, {least}")

    if broken:
        state, words = "BROKEN", "; ".join(broken)
        if images < measured["total"]:
            words = f"stopped after {images} of {measured['total']} images: {words}"
    elif claimed:
        state = "KEPT" if lower >= limits.agreement else "UNPROVEN"
        words = f"{flips}, lower bound {percent(lower)}, {least}"
    else:
        state = "KEPT"
        words = (
            f"cosine {round_down(cosine, 5)}, relative logit error {error:.4g}, limits "
            f"{limits.cosine:g} and {limits.relative_error:g}; synthetic weights, so that "
            f"agreement ({percent(share)} of {images} images) is not claimed"
        )
    sentence = f"{subject}: {words}: {state}"
    if state == "UNPROVEN":
        sentence += f" ({_needed(limits.agreement)})"
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


def doomed(measured: Mapping[str, Any], limits: Limits) -> bool:
    """Whether the state is BROKEN for any result of the remaining images.

    Curtailed sampling: the rest is taken at its best (equal logits, equal top-1), so looking
    after every batch inflates no error.
    Source: Jennison and Turnbull, Group Sequential Methods (2000), chapter 10.
    """
    if measured["problem"]:
        return True
    left = measured["total"] - len(measured["cosine"])
    best_cosine = (sum(measured["cosine"]) + left) / measured["total"]
    return (
        not best_cosine >= limits.cosine
        or not _relative_error(measured, measured["total"]) <= limits.relative_error
        or (not measured["synthetic"] and _best_upper(measured) < limits.agreement)
    )


def percent(share: float) -> str:
    """A share in per cent to one decimal, rounded down.

    Rounded down, a figure is on the same side of a limit as the value itself: 95.97 %
    is not shown as the 96.0 % that it failed to reach.
    """
    return f"{round_down(share * 100, 1)} %"


def round_down(value: float, digits: int) -> str:
    """A number with so many decimals, never more than it is."""
    if not math.isfinite(value):
        return str(value)
    # 0.57 * 1000 is 569.99...: round off the float's own error first.
    return f"{math.floor(round(value * 10**digits, 6)) / 10**digits:.{digits}f}"


def _hits(measured: Mapping[str, Any]) -> list[bool]:
    return [a == b for a, b in zip(measured["top1"], measured["reference_top1"], strict=True)]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _accuracy(hits: list[bool] | None) -> float | None:
    return _mean(hits) if hits else None


def _relative_error(measured: Mapping[str, Any], images: int) -> float:
    """|delta| of what is measured over |reference| of the first `images`."""
    reference = sum(measured["reference_square"][:images])
    return math.sqrt(sum(measured["delta_square"]) / reference) if reference else math.nan


def _best_upper(measured: Mapping[str, Any]) -> float:
    """The upper bound if all remaining images agreed, with the least effective size (ICC 1)."""
    hits, total = _hits(measured), measured["total"]
    size = clustered_size(measured["clusters"], icc=1.0)
    return clopper_pearson((total - len(hits) + sum(hits)) / total * size, size)[1]


def _needed(share: float) -> str:
    """How many images without one flip prove a share: share^n <= 5 %."""
    if share >= 1:
        return "no number of images proves 100 %"
    images = math.ceil(math.log(1 - CONFIDENCE) / math.log(share))
    return f"{share * 100:g} % needs {images} independent images without a flip"


def _flips(measured: Mapping[str, Any], hits: list[bool], size: float) -> str:
    flips = [index for index, hit in enumerate(hits) if not hit]
    worst = sorted(flips, key=lambda index: -measured["margin"][index])[:2]
    names = f" ({'; '.join(_flip(measured, index) for index in worst)})" if flips else ""
    worth = f" worth {size:.0f} independent ones" if round(size) < len(hits) else ""
    return f"top-1 differs on {len(flips)} of {len(hits)} images{worth}{names}"


def _flip(measured: Mapping[str, Any], index: int) -> str:
    # ImageNet names list synonyms: "tench, Tinca tinca".
    names = [
        measured["class_names"][measured[key][index]].split(",")[0]
        for key in ("reference_top1", "top1")
    ]
    return f"{' to '.join(names)}, margin {measured['margin'][index]:.2f}"
