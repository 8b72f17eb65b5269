"""Answers that are a class by index, in `top1` and `reference_top1`: what flipped, in words."""

from collections.abc import Sequence

from vitbench.heads.base import Measured
from vitbench.heads.shares import worth


def hits_of(measured: Measured) -> list[bool]:
    return [a == b for a, b in zip(measured["top1"], measured["reference_top1"], strict=True)]


def top_flips(measured: Measured, hits: Sequence[bool], size: float, noun: str) -> str:
    """How many images flipped, and the two flips at most where the reference was surest (largest
    margin): a near call that flips worries nobody, a sure one should."""
    flips = [index for index, hit in enumerate(hits) if not hit]
    worst = sorted(flips, key=lambda index: -measured["margin"][index])[:2]
    named = f" ({'; '.join(_flip(measured, index) for index in worst)})" if flips else ""
    return f"{noun} differs on {len(flips)} of {len(hits)} images{worth(size, len(hits))}{named}"


def _flip(measured: Measured, index: int) -> str:
    # ImageNet names list synonyms: "tench, Tinca tinca".
    names = [
        measured["class_names"][measured[key][index]].split(",")[0]
        for key in ("reference_top1", "top1")
    ]
    return f"{' to '.join(names)}, margin {measured['margin'][index]:.2f}"
