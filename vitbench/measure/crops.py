"""Crops of the images that ship with scikit-image: photographs without a download."""

from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from vitbench.errors import UserError
from vitbench.measure.images import read_image
from vitbench.measure.photos import Photo

SHIPPED = (  # the colour photographs inside scikit-image's wheel: no download
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "ihc.png",
    "retina.jpg",
    "motorcycle_left.png",
)
UNSEEN = (  # others in that wheel, which no variant is judged on by default: for calibration
    "brick.png",
    "camera.png",
    "cell.png",
    "coins.png",
    "color.png",
    "grass.png",
    "gravel.png",
    "microaneurysms.png",
    "moon.png",
    "page.png",
    "text.png",
)
STEPS = np.array([5**0.5 / 2 + 0.5, 2**0.5, 3**0.5, 7**0.5])  # multiples, mod 1, spread evenly


def default_photos(count: int = 256) -> list[Photo]:
    """`count` crops of the colour photographs that scikit-image ships."""
    return _crops(SHIPPED, count)


def calibration_photos(count: int) -> list[Photo]:
    """`count` crops of other images of scikit-image's, most of them grey."""
    return _crops(UNSEEN, count)


def shipped(name: str) -> Image.Image:
    """One of scikit-image's images, whole. Raises UserError where scikit-image is missing."""
    return _whole(_data() / name)


def _data() -> Path:
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError("scikit-image is not installed: install it, or give --images FOLDER")
    return Path(package.origin).parent / "data"


def _crops(names: Sequence[str], count: int) -> list[Photo]:
    """`count` square crops, 0.4 to 1.0 of the short side, about half of them mirrored.

    Photographs take turns. Sizes and places follow a low-discrepancy sequence, so that any number
    of crops is spread evenly and fewer crops are the first of more.
    """
    data, photos = _data(), list[Photo]()
    for number in range(count):
        turn, which = divmod(number, len(names))
        path = data / names[which]
        start = np.random.default_rng([2024, which]).random(4)
        size, x, y, mirror = (start + turn * STEPS) % 1
        crop = partial(_crop, path, 0.4 + 0.6 * size, x, y, mirror < 0.5)
        cut = f"{size:.6f} {x:.6f} {y:.6f} {mirror < 0.5}"
        photos.append(Photo(f"{path.stem}-{turn:03d}", path.stem, None, crop, path, cut))
    return photos


@lru_cache(maxsize=len(SHIPPED + UNSEEN))
def _whole(path: Path) -> Image.Image:
    return read_image(path, "give --images FOLDER")


def _crop(path: Path, size: float, x: float, y: float, mirrored: bool) -> Image.Image:
    whole = _whole(path)
    side = round(size * min(whole.size))
    left, top = round(x * (whole.width - side)), round(y * (whole.height - side))
    crop = whole.crop((left, top, left + side, top + side))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else crop
