"""Photographs as a service gets them: JPEG bytes, made of what scikit-image ships."""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from vitbench.measure.crops import shipped

USUAL, LARGE = "500 x 375", "12 MP"
"""The names of the two photographs that are timed."""
TURNED = 6  # EXIF: the camera was turned by a quarter
GRAIN = 4.0  # standard deviation of a sensor's noise, in levels of 255


@dataclass(frozen=True)
class Photograph:
    """A JPEG file in memory. `about` says in words what is particular. One that is not `whole` ends
    in its middle: whoever answers it guesses."""

    name: str
    jpeg: bytes
    about: str = ""
    whole: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        with Image.open(BytesIO(self.jpeg)) as image:
            return image.size


def encoded(image: Image.Image, **settings: Any) -> bytes:
    """A JPEG file as cameras write it: quality 90, colours at half the resolution."""
    file = BytesIO()
    image.save(file, "JPEG", **{"quality": 90, **settings})
    return file.getvalue()


@lru_cache(maxsize=1)
def photographs() -> tuple[Photograph, ...]:
    """All of them, the same each time. Raises UserError where scikit-image is not installed."""
    turned = Image.Exif()
    turned[0x0112] = TURNED
    usual = _sized("coffee.png", 500, 375)
    jpeg = encoded(usual)
    return (
        Photograph(USUAL, jpeg, "as ImageNet's are"),
        Photograph(LARGE, encoded(_camera("motorcycle_left.png", 4000, 3000)), "of a phone"),
        Photograph("portrait", encoded(_sized("astronaut.png", 375, 500)), "375 x 500"),
        Photograph("1 MP", encoded(_camera("rocket.jpg", 1152, 864)), "1152 x 864"),
        Photograph("small", encoded(_sized("chelsea.png", 160, 120)), "160 x 120: enlarged"),
        Photograph(
            "turned", encoded(_sized("chelsea.png", 640, 480), exif=turned), "an EXIF orientation"
        ),
        Photograph("grey", encoded(_sized("coffee.png", 500, 375).convert("L")), "one band"),
        Photograph("CMYK", encoded(_sized("rocket.jpg", 500, 375).convert("CMYK")), "for print"),
        Photograph("progressive", encoded(usual, progressive=True), "in several passes"),
        Photograph(
            "4:4:4", encoded(_sized("ihc.png", 480, 480), subsampling=0), "colours in full"
        ),
        Photograph("truncated", jpeg[: len(jpeg) * 3 // 5], "ends in its middle", whole=False),
    )  # fmt: skip


@lru_cache(maxsize=1)
def long_ones() -> tuple[Photograph, ...]:
    """A panorama and a tall one: where a model resizes both sides, one shrinks and the other grows.
    Only pixels are judged on them: OpenVINO takes seconds to make its resize of such a size."""
    return (
        Photograph("panorama", encoded(_sized("motorcycle_left.png", 4000, 200)), "4000 x 200"),
        Photograph("tall", encoded(_sized("rocket.jpg", 200, 3000)), "200 x 3000"),
    )


def whole() -> tuple[Photograph, ...]:
    """Those that are to be answered."""
    return tuple(each for each in photographs() if each.whole)


def named(name: str) -> Photograph:
    """The photograph of a name."""
    return next(each for each in photographs() if each.name == name)


def usual(image: Image.Image) -> bytes:
    """The middle of an image as a JPEG file of the USUAL size."""
    return encoded(_middle(image, 500, 375))


def _sized(file: str, width: int, height: int) -> Image.Image:
    return _middle(shipped(file), width, height)


def _middle(image: Image.Image, width: int, height: int) -> Image.Image:
    """Of an image what has this proportion, at this size."""
    share = min(image.width / width, image.height / height)
    across, down = width * share, height * share
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (left, top, left + across, top + down)
    return image.resize((width, height), Image.Resampling.LANCZOS, box)


def _camera(file: str, width: int, height: int) -> Image.Image:
    """As `_sized`, with a sensor's grain: an enlarged photograph alone is too smooth to be one."""
    pixels = np.asarray(_sized(file, width, height)).astype(np.int16)
    tile = np.random.default_rng(12).normal(0, GRAIN, (512, 512, 3)).round().astype(np.int16)
    rows, columns = -(-height // 512), -(-width // 512)
    grain = np.tile(tile, (rows, columns, 1))[:height, :width]
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))
