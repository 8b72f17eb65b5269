"""The share of images that agree, with its bounds: of every head whose answers are equal or not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitbench.heads.base import Measured
from vitbench.heads.words import percent
from vitbench.stats.intervals import CONFIDENCE, clopper_pearson, clustered_size, effective_size


@dataclass(frozen=True)
class Share:
    """`matched` of so many images agree. `size` is how many independent images they are worth;
    `lower` and `upper` are one-sided 95 % bounds of `share`, which is NaN of no image."""

    matched: int
    size: float
    share: float
    lower: float
    upper: float


def share_of(hits: Sequence[bool], measured: Measured) -> Share:
    """The share of `hits`, of the first images of what is measured."""
    images = len(hits)
    size = effective_size(hits, measured["clusters"][:images])
    share = mean(hits)
    lower, upper = clopper_pearson(share * size, size) if images else (0.0, 1.0)
    if images < measured["total"]:  # few clusters so far: what is to come may already bound more
        upper = min(upper, best_upper(hits, measured))
    return Share(sum(hits), size, share, lower, upper)


def best_upper(hits: Sequence[bool], measured: Measured) -> float:
    """The upper bound if all remaining images agreed, with the least effective size (ICC 1)."""
    total = measured["total"]
    size = clustered_size(measured["clusters"], icc=1.0)
    return clopper_pearson((total - len(hits) + sum(hits)) / total * size, size)[1]


def needed(share: float) -> str:
    """How many images without one flip prove a share: share^n <= 5 %."""
    if share >= 1:
        return "no number of images proves 100 %"
    images = math.ceil(math.log(1 - CONFIDENCE) / math.log(share))
    return f"{share * 100:g} % needs {images} independent images without a flip"


def against(found: Share, limit: float) -> str:
    """The share and its lower bound beside the limit, in words."""
    return f"{percent(found.share)}, lower bound {percent(found.lower)}, {least(limit)}"


def beneath(found: Share, limit: float) -> str:
    """The share and its upper bound beside the limit, in words."""
    return f"{percent(found.share)}, upper bound {percent(found.upper)}, {least(limit)}"


def least(limit: float) -> str:
    return f"limit {limit * 100:g} %"


def worth(size: float, images: int) -> str:
    """Said where images of one photograph fall together."""
    return f" worth {size:.0f} independent ones" if round(size) < images else ""


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
