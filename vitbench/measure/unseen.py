"""Images that nobody has sent before, made of a sample's."""

import numpy as np
from numpy.typing import NDArray

from vitbench.measure.preprocessed import Images, wrapped


def unseen(images: Images, known: int, count: int) -> NDArray[np.float32]:
    """So many images (count, C, H, W), each unlike all of the sample's and the others: mirrored,
    and moved around the edge by many pixels. A cache of images that are nearly alike misses them,
    too, and so does one that rounds pixels.

    They are made of the images from `known` on, as far as there are any, since the first were sent.
    """
    found = wrapped(images, known if len(images) > known else 0, count)[..., ::-1].copy()
    height, width = found.shape[-2:]
    for number in range(count):
        down, right = divmod(1 + number * _step(width * height, count), width)
        found[number] = np.roll(found[number], (down + height // 3, right + width // 3), (-2, -1))
    return found


def _step(pixels: int, count: int) -> int:
    """By how many pixels one image is moved more than the one before."""
    return max(1, pixels // (count + 1))
