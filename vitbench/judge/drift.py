"""Whether a case still predicts what it predicted in the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from vitbench.heads import HEADS, SINGLE_LABEL
from vitbench.report.reader import Row, run_of
from vitbench.report.schema import ModelImages, RunInfo
from vitbench.report.timed import Timed
from vitbench.stats.multiplicity import SUITE_LEVEL, holm, mcnemar_exact

SAME_PIXELS, PREPROCESSING, UNKNOWN, OTHER = "same", "preprocessing", "unknown", "other"
EMBEDDING = "embedding"
CHANGED = {
    PREPROCESSING: "the preprocessing changed: the model gets other pixels from the same image "
    "files",
    UNKNOWN: "the preprocessing or the image files changed: the model gets other pixels under the "
    "same file names",
}


@dataclass(frozen=True)
class FlipCounts:
    """Of `images` that both runs predicted, those that lost and those that gained the truth, which
    is a `noun` of float32.

    `worth` is how many independent images one of them is worth, at most 1.
    """

    images: int
    lost: int
    gained: int
    worth: float
    noun: str = "top-1"

    def p_value(self) -> float:
        """Exact one-sided McNemar, counts divided by the design effect (Rao and Scott, 1992)."""
        return mcnemar_exact(self.lost * self.worth, self.gained * self.worth)


@dataclass(frozen=True)
class Comparison:
    """The answers of a case beside its baseline's. `images`: that both predicted; `differ`: those
    of them with another `noun`; `pixels`: one of SAME_PIXELS, PREPROCESSING and UNKNOWN, or OTHER,
    where nothing was compared. `flips` is None where nothing can be claimed of them: with synthetic
    weights they are chance."""

    pixels: str
    images: int = 0
    differ: int = 0
    flips: FlipCounts | None = None
    noun: str = "top-1"


@dataclass(frozen=True)
class Answers:
    """What a case answers to each image, by `head`. Values count as the same within `tolerance`."""

    of: Mapping[str, Any]
    head: str = SINGLE_LABEL
    tolerance: Sequence[float] = ()

    def same(self, one: Any, other: Any) -> bool:
        if not self.tolerance or one is None or other is None:
            return bool(one == other)
        values = zip(one, other, self.tolerance, strict=True)
        return all(abs(a - b) <= most for a, b, most in values)


def pixels_of(head: Mapping[str, Any], base: Mapping[str, Any], case: str) -> str:
    """How what the case's model saw in two reports differs.

    Reports of schema 1 have one digest, of the names, pixels and labels of the first model: where
    those differ and the names do not, preprocessing or the files changed.
    """
    model = case.partition("/")[0]
    runs = [run_of(each) for each in (head, base)]
    ours, theirs = (_images(run, model) for run in runs)
    if ours and theirs:
        if ours.pixels_sha256 == theirs.pixels_sha256:
            return SAME_PIXELS
        same_files = ours.files_sha256 == theirs.files_sha256
        return PREPROCESSING if same_files else OTHER
    old = [run and run.images.sha256 for run in runs]
    return SAME_PIXELS if old[0] == old[1] else UNKNOWN


def _images(run: RunInfo | None, model: str) -> ModelImages | None:
    found = run.models.get(model) if run else None
    return None if found is None or found.images is UNSET else found.images


def compare_predictions(
    head: Row, base: Row, baseline: Mapping[str, Row], pixels: str
) -> Comparison:
    """The answers of a case against its baseline's, image by image.

    The truth is what float32 answered in the baseline, of the same batch or else any; without
    it the case's own answer there.
    """
    if not head.timed or not base.timed:
        return Comparison(pixels)
    now, then = head.timed.predictions.by_image, _answers(base.timed)
    every = pixels == UNKNOWN or then.head == EMBEDDING  # nearest of other images is another
    if pixels == OTHER or (every and now.keys() != then.of.keys()):
        return Comparison(OTHER)
    truth = {**then.of, **_truth(base, baseline)}
    return compare_answers(now, then, truth, pixels, head.timed.agreement.worth)


def compare_answers(
    now: Mapping[str, Any],
    then: Answers,
    truth: Mapping[str, Any],
    pixels: str,
    worth: float | None,
) -> Comparison:
    """Answers by image against earlier ones and the truth. `worth`: as of FlipCounts; None where
    nothing is claimed of the run that is judged."""
    noun, shared = HEADS[then.head].noun, now.keys() & then.of.keys()
    differ = sum(not then.same(now[image], then.of[image]) for image in shared)
    if not shared or worth is None:
        return Comparison(pixels, len(shared), differ, noun=noun)
    right = [
        (then.same(then.of[image], truth[image]), then.same(now[image], truth[image]))
        for image in shared
    ]
    flips = FlipCounts(
        images=len(shared),
        lost=sum(was and not new for was, new in right),
        gained=sum(new and not was for was, new in right),
        worth=worth,
        noun=noun,
    )
    return Comparison(pixels, len(shared), differ, flips, noun)


def tested(found: Mapping[str, FlipCounts], baseline: str) -> dict[str, tuple[str, float]]:
    """What each case lost, in words, and its p-value among those of all cases (Holm). `baseline`:
    what they are compared with, for people."""
    p_values = holm({case: each.p_value() for case, each in found.items()})
    return {
        case: (
            f"predictions drifted: of {each.images} images {each.lost} lost the {each.noun} of "
            f"{baseline}'s float32, and {each.gained} gained it (exact McNemar test, "
            f"p = {p_values[case]:.2g} for {len(found)} case{'s' * (len(found) > 1)})",
            p_values[case],
        )
        for case, each in found.items()
    }


@dataclass(frozen=True)
class Drift:
    """By case a sentence: whose predictions drifted; who may have, since other pixels reach the
    model and predictions differ, too few to prove it. And notes on what was seen otherwise."""

    drifted: Mapping[str, str]
    doubtful: Mapping[str, str]
    notes: tuple[str, ...]


def drift_of(found: Mapping[str, Comparison], baseline: str = "the baseline") -> Drift:
    """What comparisons of all cases of a report mean together. `baseline`: as of `tested`."""
    known = {case: each.flips for case, each in found.items() if each.flips is not None}
    sentences, doubtful, same = {}, {}, dict[str, list[str]]()
    for case, (words, p) in tested(known, baseline).items():
        if p <= SUITE_LEVEL:
            why = CHANGED.get(found[case].pixels)
            sentences[case] = f"{why}; {words}" if why else words
    for case, each in found.items():
        why = CHANGED.get(each.pixels)
        if not why or case in sentences:
            continue
        if not each.images:
            doubtful[case] = f"{why}; no image was predicted in both reports, so the effect on "
            doubtful[case] += "predictions is unknown"
            continue
        if not each.differ:
            same.setdefault(f"{case.partition('/')[0]}: {why}", []).append(case)
            continue
        proof = "which means nothing with synthetic weights"
        if case in known:
            proof = (
                f"which proves neither drift (p = {tested(known, baseline)[case][1]:.2g}) nor SAME"
            )
        doubtful[case] = (
            f"{why}; of {each.images} images {each.differ} have another {each.noun}, {proof}"
        )
    notes = [
        f"{why}; {len(cases)} case{'s predict' if len(cases) > 1 else ' predicts'} the same "
        f"{found[cases[0]].noun} for every image"
        for why, cases in same.items()
    ]
    if any(each.pixels == OTHER for each in found.values()):
        notes.append(
            "predictions are not compared: the two reports were verified on different images"
        )
    return Drift(sentences, doubtful, tuple(notes))


def _truth(base: Row, baseline: Mapping[str, Row]) -> dict[str, Any]:
    floats = [
        (row.case.device != "cpu", row.case.batch != base.case.batch, row.timed)
        for row in baseline.values()
        if row.timed and row.case.model == base.case.model and row.case.variant == "fp32"
    ]
    return min(floats, key=lambda each: each[:2])[2].predictions.by_image if floats else {}


def _answers(timed: Timed) -> Answers:
    found = timed.predictions
    return Answers(found.by_image, timed.agreement.head, found.tolerance)
