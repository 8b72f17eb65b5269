"""What a user sets of an image processor of transformers, in timm's words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError
from vitbench.models.base import ModelSpec
from vitbench.models.preprocess import Preprocess, changes, checked
from vitbench.models.transformers_files import PROCESSORS

SETTABLE = ("mean", "std", "interpolation")
_RESAMPLING = {each.name.lower(): each for each in Image.Resampling}


def applied(processor: Any) -> Preprocess:
    """An image processor as a function of one image to a float32 array."""

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        pixels = processor(images=image, return_tensors="np")["pixel_values"][0]
        return np.ascontiguousarray(pixels, dtype=np.float32)

    return preprocess


def overridden(processor: Any, spec: ModelSpec) -> tuple[Any, tuple[str, ...]]:
    """The processor with what the user set of it, and a sentence on what that changes.

    Raises UserError for what an image processor has no such word for, and where it does not heed
    what it is told.
    """
    where = spec.where
    given = checked(spec.preprocessing, 3, where)
    for name in given:
        if name not in SETTABLE:
            raise UserError(
                f"{where}: preprocessing: {name} is a word of timm; size and crop of a model of "
                f"transformers are set in {PROCESSORS[0]}"
            )
    if not given:
        return processor, ()
    normalized = bool(processor.do_normalize)
    before = {
        "mean": tuple(processor.image_mean) if normalized else (0.0,) * 3,
        "std": tuple(processor.image_std) if normalized else (1.0,) * 3,
        "interpolation": Image.Resampling(processor.resample).name.lower(),
    }
    found = _set(processor, {**before, **given})
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    image = Image.fromarray(noise)
    for name, value in given.items():
        without = _set(processor, {**before, **given, name: before[name]})
        same = np.array_equal(applied(found)(image), applied(without)(image))
        if same and value != before[name]:
            raise UserError(
                f"{where}: preprocessing: {type(processor).__name__} does not heed {name}: it is "
                "no part of how this model's images are prepared"
            )
    return found, changes(before, given)


def _set(processor: Any, words: Mapping[str, Any]) -> Any:
    """A copy of an image processor with another mean, standard deviation and interpolation."""
    own = processor.to_dict()
    own |= {"image_mean": list(words["mean"]), "image_std": list(words["std"])}
    own |= {"do_normalize": True, "resample": int(_RESAMPLING[words["interpolation"]])}
    return type(processor).from_dict(own)
