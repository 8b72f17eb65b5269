"""What `vitbench blame` found as JSON: its text and its picture are made of that alone."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vitbench.blame.layers import PlacedLayer
from vitbench.blame.search import Blame
from vitbench.blame.trial import Trial
from vitbench.case import Case


def record(found: Blame, case: Case, minutes: float, images: int) -> dict[str, Any]:
    """The file of `--json`. A number that is not finite, as of a broken layer, is null. Of
    `ranked_on`: the recipe as it is on the images that layers are ranked on, whose `squared_error`
    shares are parts of; `floor` is the relative error that no layer makes."""
    made: dict[str, Any] = finite(
        {
            "case": case.id,
            "images": len(found.base.delta_square),
            "images_there": images,
            "as_it_is": trial_record(found.base),
            "ranked_on": {
                "images": found.ranked_on,
                "relative_error": found.costs.whole,
                "squared_error": found.costs.whole**2,
                "floor": found.costs.floor,
            },
            "blamed": list(found.blamed),
            "blamed_in_float": None if found.together is None else trial_record(found.together),
            "kinds": found.costs.kinds,
            "blocks": found.costs.blocks,
            "layers": [_layer(found, layer) for layer in found.layers],
            "refused": [
                {"floats": sorted(each.floats), "reason": each.reason} for each in found.refusals
            ],
            "recipes": found.asked,
            "seconds": found.seconds,
            "minutes": minutes,
        }
    )
    return made


def _layer(found: Blame, layer: PlacedLayer) -> dict[str, Any]:
    """A layer: `alone_error` is that of the recipe in which it alone is int8, `share` its part of
    the squared error; `in_float` is the recipe with it alone in float, and what that wins."""
    name, tried = layer.name, layer.name in found.costs.layers
    won = found.gain(name)
    return {
        **asdict(layer),
        "alone_error": found.costs.layers.get(name),
        "share": found.costs.share(name) if tried else None,
        "blamed": name in found.blamed,
        "untried": found.costs.untried.get(name),
        "in_float": None
        if won is None
        else {**trial_record(found.freed[name]), "gain": asdict(won)},
    }


def trial_record(trial: Trial) -> dict[str, Any]:
    """What was measured of a recipe, for JSON."""
    found = trial.agreement
    return {
        "state": found.state,
        "head": found.head,
        "agreement": found.share,
        "lower": found.lower,
        "upper": found.upper,
        "matched": found.matched,
        "relative_error": trial.error,
        "cosine": found.cosine,
        "top1": found.top1,
        "reference_top1": found.reference_top1,
        "sentence": found.sentence,
        "seconds": trial.seconds,
        "claimed": found.claimed,
    }


def finite(value: Any) -> Any:
    """The same with null for what is no finite number: JSON has none."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
