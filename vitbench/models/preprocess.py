"""Preprocessing: the tutorial's, and what a user sets of a model's own."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError, near

Preprocess = Callable[[Image.Image], NDArray[np.float32]]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# What a user may set, in timm's words, and the words of two of them.
SETTINGS = ("mean", "std", "interpolation", "crop_pct", "crop_mode", "input_size")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")
CROP_MODES = ("center", "squash", "border")
# As the config.json of a checkpoint of ours says it.
TUTORIAL: Mapping[str, Any] = {
    "size": 224,
    "resize": 256,
    "interpolation": "bicubic",
    "mean": list(IMAGENET_MEAN),
    "std": list(IMAGENET_STD),
}


@dataclass(frozen=True)
class Described:
    """A preprocessing that says what it is: `made_of` is the torchvision transform or the image
    processor of transformers that it calls. `grey`: with an image that was made grey before."""

    apply: Preprocess
    made_of: Any
    grey: bool = False

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        return self.apply(image)


def as_array(transform: Any) -> Described:
    """A torchvision transform to a tensor (3, H, W), as a function to a float32 array."""

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        return np.ascontiguousarray(transform(image).numpy(), dtype=np.float32)

    return Described(preprocess, transform)


def tutorial() -> Preprocess:
    """Resize 256 bicubic, CenterCrop 224, ImageNet mean and std."""
    from torchvision import transforms

    return as_array(
        transforms.Compose(
            [
                transforms.Resize(256, interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )
    )


def checked(given: Mapping[str, Any], channels: int, where: str) -> dict[str, Any]:
    """What a user set of the preprocessing, lists as tuples, for images of so many channels.

    Raises UserError, which begins with `where`, for an unknown name and for a value that is none.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        said = f"{where}: preprocessing: {name} = {_text(value)}"
        if name not in SETTINGS:
            raise UserError(f"{said}: there is no such setting; {near(name, SETTINGS)}")
        if name in ("mean", "std"):
            found[name] = _numbers(value, channels, said)
        elif name == "input_size":
            found[name] = _input_size(value, channels, said)
        elif name == "crop_pct":
            if not (_is_number(value) and 0 < value <= 1):
                raise UserError(f"{said} is not above 0 and at most 1, the share that is kept")
            found[name] = float(value)
        else:
            known = INTERPOLATIONS if name == "interpolation" else CROP_MODES
            if value not in known:
                raise UserError(f"{said}: expected {', '.join(known)}; {near(str(value), known)}")
            found[name] = value
    if wrong := [each for each in found.get("std", ()) if each <= 0]:
        raise UserError(f"{where}: preprocessing: std has {wrong[0]:g}: pixels are divided by it")
    return found


def changes(before: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence on what a user set otherwise than the model says, for a report."""
    others = [
        f"{name} {_text(value)} (the model says {_text(before.get(name))})"
        for name, value in given.items()
        if _text(value) != _text(before.get(name))
    ]
    return (f"preprocessing is set by the user: {', '.join(others)}",) if others else ()


def _numbers(value: Any, channels: int, said: str) -> tuple[float, ...]:
    numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if not numbers or not all(map(_is_number, numbers)):
        raise UserError(f"{said} is no list of numbers, one for each of {channels} channels")
    if len(numbers) != channels:
        raise UserError(
            f"{said} has {len(numbers)} numbers, and the images have {channels} channels"
        )
    return tuple(map(float, numbers))


def _input_size(value: Any, channels: int, said: str) -> tuple[int, ...]:
    size = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(size) != 3 or not all(isinstance(each, int) and each > 0 for each in size):
        raise UserError(f"{said}: expected channels, height and width, such as [3, 224, 224]")
    if size[0] != channels:
        raise UserError(f"{said} has {size[0]} channels, and the model takes {channels}")
    return size


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    """As a user writes it in TOML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return f'"{value}"' if isinstance(value, str) else str(value)
