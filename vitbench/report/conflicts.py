"""Why reports of parallel jobs cannot be one report."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from vitbench.errors import some
from vitbench.report.machine import differing, follows, versions
from vitbench.report.merge import Part
from vitbench.report.reader import rows

NEWEST = "--keep=newest"


def conflicts(parts: Sequence[Part], newest: bool, priced: bool) -> list[str]:
    """What is not as in the first report that has it, a sentence each; [] where nothing is.

    `newest`: of a benchmark that several parts have with other figures, the newest counts.
    `priced`: all get one price.
    """
    first, found = parts[0], list[str]()
    for index, part in enumerate(parts[1:], 1):
        earlier = parts[:index]
        found += _of_the_run(part, first)
        found += () if priced else _price(part, first)
        found += _models(part, earlier)
        found += () if newest else _rows(part, earlier)
    return [*found, *_references(parts)]


def _of_the_run(part: Part, first: Part) -> Iterator[str]:
    here, there = part.name, first.name
    if apart := differing(part.report, first.report):
        yield f"{here} is of another machine than {there}: {'; '.join(apart)}"
    elif part.machine.get("weights") != first.machine.get("weights") and not all(
        "fingerprint" not in each.machine or follows(each.machine) for each in (part, first)
    ):
        yield (
            f"{here} and {there} have other models, and a fingerprint is of something that its "
            "report does not record"
        )
    commits = [_commit(each) for each in (part, first)]
    if commits[0] != commits[1]:
        yield f"{here} is of {commits[0]}, and {there} of {commits[1]}"
    known = [{**versions(each.report), "vitbench": each.run.version} for each in (part, first)]
    shared = [key for key in known[0] if key in known[1]]  # what one lacks it did not use
    if words := _words({key: known[0][key] for key in shared}, known[1]):
        yield f"{here} has other versions than {there}: {words}"
    variables = [each.machine.get("variables", {}) for each in (part, first)]
    if words := _words({**dict.fromkeys(variables[1]), **variables[0]}, variables[1]):
        yield f"{here} had other environment variables than {there}: {words}"
    options = [
        {"--threads": each.run.threads, "--reference": each.run.reference} for each in (part, first)
    ]
    if words := _words(*options):
        yield f"{here} had other options than {there}: {words}"
    for name, variant in part.run.variants.items():
        if first.run.variants.get(name, variant) != variant:
            yield f"{here} defines the variant {name} otherwise than {there}"


def _commit(part: Part) -> str:
    found = part.report.get("commit_info", {})
    return f"commit {found.get('id')}{' with changed files' if found.get('dirty') else ''}"


def _price(part: Part, first: Part) -> Iterator[str]:
    words = [
        "no price"
        if each.run.price is None
        else f"the price {each.run.price.name}:{each.run.price.per_hour:g}/h"
        for each in (part, first)
    ]
    if words[0] != words[1]:
        yield (
            f"{part.name} has {words[0]}, and {first.name} {words[1]}: give all one with "
            "--price=NAME:AMOUNT/h"
        )


def _models(part: Part, earlier: Sequence[Part]) -> Iterator[str]:
    """Models that are not as in an earlier part, or were verified on other images."""
    for name in part.run.models:
        for other in [each for each in earlier if name in each.run.models][:1]:
            ours, theirs = (_about(each, name) for each in (part, other))
            if words := [key for key in ours if ours[key] != theirs[key]]:
                yield f"{part.name} has other {' and '.join(words)} of {name} than {other.name}"


def _about(part: Part, name: str) -> dict[str, Any]:
    """What must be the same of a model in two reports, by the word for it."""
    model = part.run.models[name]
    images, calibration = model.images, model.calibration
    return {
        "weights": model.weights.sha256,
        "settings": (model.architecture, model.settings, model.labels),
        "heads": (model.head, model.threshold),
        "images": part.run.images.sha256
        if images is UNSET
        else (images.files_sha256, images.pixels_sha256, images.labels_sha256),
        "calibration images": calibration and (calibration.files_sha256, calibration.pixels_sha256),
    }


def _references(parts: Sequence[Part]) -> Iterator[str]:
    """Agreement references that answer otherwise than in an earlier part."""
    known: dict[str, tuple[str, dict[str, int]]] = {}
    for part in parts:
        for row in rows(part.report):
            if not (row.timed and row.timed.agreement.itself):
                continue
            found, model = row.timed.predictions, row.case.model
            here = dict(zip(found.images, found.top1, strict=False))
            name, there = known.setdefault(model, (part.name, here))
            images = [image for image in here if image in there]
            if apart := sum(here[image] != there[image] for image in images):
                yield (
                    f"the agreement reference of {model} answers {apart} of {len(images)} images "
                    f"in {part.name} otherwise than in {name}"
                )


def _rows(part: Part, earlier: Sequence[Part]) -> Iterator[str]:
    """Benchmarks that an earlier part has with other figures. The timing reference runs along in
    each."""
    twice: dict[str, list[str]] = {}
    for key, those in part.benchmarks.items():
        having = [x for x in earlier if key in x.benchmarks and not x.is_reference(key)]
        for other in having[:1]:
            if those != other.benchmarks[key]:
                twice.setdefault(other.name, []).append(
                    f"{key[0]} ({key[1]})" if key[1] else key[0]
                )
    for name, labels in twice.items():
        yield (
            f"{part.name} and {name} both have {some(labels)}, with other figures: leave one of "
            f"the reports out, or take the newest figures with {NEWEST}"
        )


def _words(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """What differs, as `theirs -> ours`."""
    return ", ".join(
        f"{key} {_plain(theirs.get(key))} -> {_plain(value)}"
        for key, value in ours.items()
        if value != theirs.get(key)
    )


def _plain(value: Any) -> str:
    return "none" if value is None else str(value)
