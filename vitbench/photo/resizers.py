"""Pixels (H, W, 3) to the image (3, H, W) of a model, by one library each."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import Unavailable
from vitbench.photo.decoders import Pixels
from vitbench.photo.steps import Steps

Resizer: TypeAlias = Callable[[Pixels], NDArray[np.float32]]
TORCH = ("bilinear", "bicubic")  # what torch resizes uint8 by with antialiasing


def by_pillow(steps: Steps) -> Resizer:
    """Also for grey models."""
    how = Image.Resampling[steps.interpolation.upper()] if steps.resize else None

    def make(pixels: Pixels) -> NDArray[np.float32]:
        image = Image.fromarray(pixels)
        if steps.order == "L":
            image = image.convert("L")
        height, width = steps.resized(*pixels.shape[:2])
        if how is not None:
            image = image.resize((width, height), how)
        if steps.crop:
            top, left = steps.corner(height, width)
            image = image.crop((left, top, left + steps.crop[1], top + steps.crop[0]))
        return normalized(np.asarray(image).reshape(image.height, image.width, -1), steps)

    return make


def by_torch(steps: Steps) -> Resizer:
    """torch's resize of uint8, channels last, which rounds after each pass as Pillow does."""
    import torch

    _require(steps, TORCH)
    resize = torch.nn.functional.interpolate

    def make(pixels: Pixels) -> NDArray[np.float32]:
        size = steps.resized(*pixels.shape[:2])
        if steps.resize is not None and size != pixels.shape[:2]:
            image = torch.from_numpy(_writable(pixels)).permute(2, 0, 1)[None]
            image = resize(
                image, size=size, mode=steps.interpolation, antialias=True, align_corners=False
            )
            pixels = image[0].permute(1, 2, 0).numpy()
        # In NumPy, on one thread: waiting for others takes longer than so few values do.
        return normalized(_middle(pixels, steps), steps)

    return make


def by_torchvision(steps: Steps) -> Resizer:
    """The transforms of torchvision's second version, on uint8, as its documents advise."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    _require(steps, TORCH)
    how = InterpolationMode(steps.interpolation) if steps.resize else None
    scaled = steps.scale == 255.0
    unit = 1.0 if scaled else steps.scale
    mean, std = ([x * unit for x in each] for each in (steps.mean, steps.std))

    def make(pixels: Pixels) -> NDArray[np.float32]:
        image = torch.from_numpy(_writable(pixels)).permute(2, 0, 1)
        size = steps.resized(*pixels.shape[:2])
        if how is not None:
            image = functional.resize(image, list(size), how, antialias=True)
        if steps.crop:
            top, left = steps.corner(*size)
            image = functional.crop(image, top, left, *steps.crop)
        if steps.order == "BGR":
            image = image.flip(0)
        image = functional.to_dtype(image, torch.float32, scale=scaled)
        made = functional.normalize(image, mean, std)
        return np.ascontiguousarray(made.numpy())

    return make


def by_opencv(steps: Steps) -> Resizer:
    """Areas where a photograph shrinks; OpenCV's other kernels do not antialias, nor do areas where
    the other side grows: such a photograph shrinks first, and then grows."""
    return _of_opencv(steps, antialias=True)


def by_opencv_plainly(steps: Steps) -> Resizer:
    """By the kernel of the preprocessing's name, as code for OpenCV often is: no antialiasing."""
    return _of_opencv(steps, antialias=False)


def _of_opencv(steps: Steps, antialias: bool) -> Resizer:
    import cv2

    _require(steps, ("bilinear", "bicubic", "lanczos"))
    kernels = {
        "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4,
    }  # fmt: skip

    def make(pixels: Pixels) -> NDArray[np.float32]:
        size = steps.resized(*pixels.shape[:2])
        image = pixels
        if steps.resize is not None and size != pixels.shape[:2]:
            smaller = min(size[0], pixels.shape[0]), min(size[1], pixels.shape[1])
            if antialias and smaller != pixels.shape[:2]:
                image = np.asarray(cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA))
            if not antialias or smaller != size:
                how = kernels[steps.interpolation]
                image = np.asarray(cv2.resize(image, size[::-1], interpolation=how))
        return normalized(_middle(image, steps), steps)

    return make


def normalized(pixels: Pixels, steps: Steps) -> NDArray[np.float32]:
    """Pixels (H, W, C) of the model's size to float32 (C, H, W), contiguous."""
    ordered = pixels[..., ::-1] if steps.order == "BGR" else pixels
    made = np.multiply(
        np.ascontiguousarray(ordered.transpose(2, 0, 1)), steps.factor, dtype=np.float32
    )
    made += steps.offset
    return made


def _middle(pixels: Pixels, steps: Steps) -> Pixels:
    """The crop of resized pixels."""
    if not steps.crop:
        return pixels
    top, left = steps.corner(*pixels.shape[:2])
    return pixels[top : top + steps.crop[0], left : left + steps.crop[1]]


def _writable(pixels: Pixels) -> Pixels:
    """torch warns of an array that it may not write, as Pillow's are."""
    return pixels if pixels.flags.writeable else pixels.copy()


def _require(steps: Steps, kernels: tuple[str, ...]) -> None:
    steps.require_colour()
    if steps.resize is not None and steps.interpolation not in kernels:
        raise Unavailable(f"the library has no {steps.interpolation} interpolation as Pillow's")
