"""Whether two reports are of one model, so that what their machines carry can be ranked."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET

from vitbench.report.reader import rows, run_of
from vitbench.report.schema import RunInfo


def differences(
    report: Mapping[str, Any], other: Mapping[str, Any], name: str, model: str, least: float
) -> Iterator[str]:
    """Why a model is not that of the `other` report, which is called `name`: its weights, its
    architecture, how its outputs are read, and what the agreement reference answers.

    `least` is the share of the images that both have on which the answers must be the same.
    """
    ours, theirs = (run.models.get(model) for run in (_run(report), _run(other)))
    if ours is None or theirs is None:
        yield f"its model cannot be compared with that of {name}: one of the two reports lacks it"
        return
    parts = {
        "weights are": (ours.weights.sha256, theirs.weights.sha256),
        "architecture is": (ours.architecture, theirs.architecture),
        "head is": (ours.head, theirs.head),
        "threshold is": (ours.threshold, theirs.threshold),
    }
    for words, (own, its) in parts.items():
        if own != its:
            yield f"the {words} not as in {name}"
    here, there = _answers(report, model), _answers(other, model)
    shared = here.keys() & there.keys()
    same = sum(here[image] == there[image] for image in shared)
    if shared and same / len(shared) < least:
        yield (
            f"its agreement reference answers {same} of {len(shared)} images as in {name}, and "
            f"{least:.1%} is asked"
        )


def other_images(report: Mapping[str, Any], other: Mapping[str, Any], model: str) -> bool:
    """Whether the answers of a model were verified on other images."""
    return _images(_run(report), model) != _images(_run(other), model)


def _run(report: Mapping[str, Any]) -> RunInfo:
    found = run_of(report)
    assert found, "only a report of vitbench has a price"
    return found


def _images(run: RunInfo, model: str) -> str:
    found = run.models[model].images if model in run.models else UNSET
    return run.images.sha256 if found is UNSET else found.pixels_sha256


def _answers(report: Mapping[str, Any], model: str) -> dict[str, int]:
    """The top-1 of the agreement reference by image; {} where the report has none."""
    for row in rows(report):
        if row.case.model == model and row.timed and row.timed.agreement.itself:
            found = row.timed.predictions
            return dict(zip(found.images, found.top1, strict=False))
    return {}
