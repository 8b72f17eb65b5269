"""Whether a case still predicts what it predicted in the baseline."""

from collections.abc import Mapping
from dataclasses import dataclass

from vitbench.judge.multiplicity import SUITE_LEVEL, holm, mcnemar_exact
from vitbench.judge.report import Row


@dataclass(frozen=True)
class Flips:
    """Of `images` that both runs predicted, those that lost and those that gained the truth.

    `worth` is how many independent images one of them is worth, at most 1.
    """

    images: int
    lost: int
    gained: int
    worth: float

    def p_value(self) -> float:
        """Exact one-sided McNemar, counts divided by the design effect (Rao and Scott, 1992)."""
        return mcnemar_exact(self.lost * self.worth, self.gained * self.worth)


def flips(head: Row, base: Row, baseline: Mapping[str, Row]) -> Flips | None:
    """Top-1 of a case against its baseline's, image by image; None where nothing is comparable.

    The truth is what float32 predicted in the baseline, of the same batch or else any; without
    it the case's own top-1 there. Synthetic weights are not compared: their flips are chance.
    """
    if not head.timed or not base.timed:
        return None
    agreement = head.timed["agreement"]
    now, then = _top1(head), _top1(base)
    shared = now.keys() & then.keys()
    if not shared or not agreement["claimed"] or not agreement["images"]:
        return None
    truth = {**then, **_truth(base, baseline)}
    return Flips(
        images=len(shared),
        lost=sum(then[image] == truth[image] != now[image] for image in shared),
        gained=sum(now[image] == truth[image] != then[image] for image in shared),
        worth=min(1.0, agreement["effective_images"] / agreement["images"]),
    )


def drifted(found: Mapping[str, Flips]) -> dict[str, str]:
    """A sentence for each case whose predictions drifted: 1 % for all cases together, by Holm."""
    p_values = holm({case: each.p_value() for case, each in found.items()})
    return {
        case: f"predictions drifted: of {each.images} images {each.lost} lost the top-1 that "
        f"float32 had in the baseline and {each.gained} gained it (exact McNemar test, "
        f"p = {p_values[case]:.2g} for {len(found)} case{'s' * (len(found) > 1)})"
        for case, each in found.items()
        if p_values[case] <= SUITE_LEVEL
    }


def _truth(base: Row, baseline: Mapping[str, Row]) -> dict[str, int]:
    floats = [
        row for row in baseline.values()
        if row.timed and row.case.model == base.case.model and row.case.variant == "fp32"
    ]  # fmt: skip
    floats.sort(key=lambda row: (row.case.device != "cpu", row.case.batch != base.case.batch))
    return _top1(floats[0]) if floats else {}


def _top1(row: Row) -> dict[str, int]:
    predictions = (row.timed or {})["predictions"]
    return dict(zip(predictions["images"], predictions["top1"], strict=False))
