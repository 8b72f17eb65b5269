"""Images and photographs that nobody has sent: no cache may take them for known ones."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vitbench.load.photo_samples import NEW, _unlike
from vitbench.measure.unseen import unseen
from vitbench.photo.photographs import Photograph, encoded


def coarse(images):
    """What a cache of images that are nearly alike goes by: 4 x 4 means, rounded."""
    count, bands, height, width = images.shape
    means = images.reshape(count, bands, 4, height // 4, 4, width // 4).mean(axis=(3, 5))
    return {each.round(2).tobytes() for each in means.astype(np.float32)}


@pytest.mark.parametrize("known", [4, 12])
def test_they_are_unlike_all_that_were_sent_and_each_other(known):
    images = np.random.default_rng(1).normal(size=(12, 3, 32, 32)).astype(np.float32)
    found = unseen(images, known, 48)
    assert (found.shape, found.dtype) == ((48, 3, 32, 32), np.float32)
    levels = (64 * found).astype(np.int8)  # a cache that rounds pixels
    assert len({each.tobytes() for each in levels}) == 48
    assert len(coarse(found)) == 48
    assert not coarse(found) & coarse(images)
    # What is planted: noise below a level, which a coarse key takes for the known image.
    noisy = images + np.float32(1e-5)
    assert coarse(noisy) == coarse(images)


def test_one_small_image_is_enough():
    images = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
    assert len({each.tobytes() for each in unseen(images, 1, 12)}) == 12


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((20, 30, 3), 90, np.uint8),
        np.full((1, 1, 3), 90, np.uint8),
        np.repeat(np.arange(60, dtype=np.uint8)[:, None, None], 40, axis=1).repeat(3, axis=2),
        np.random.default_rng(2).integers(0, 255, (40, 60, 3), np.uint8),
    ],
    ids=["one colour", "one pixel", "rows alike", "a photograph"],
)
def test_photographs_differ_where_moving_them_changes_nothing_too(pixels):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    found = _unlike([Photograph("a", buffer.getvalue())])
    assert len(found) == NEW
    assert len(set(found)) == NEW or pixels.size == 3


def test_a_photograph_that_can_be_moved_goes_first():
    plain, lively = np.full((20, 30, 3), 90, np.uint8), np.arange(1800, dtype=np.uint16)
    photographs = [
        Photograph(str(number), encoded(Image.fromarray(each)))
        for number, each in enumerate([plain, (lively % 251).astype(np.uint8).reshape(20, 30, 3)])
    ]
    first = Image.open(BytesIO(_unlike(photographs)[0]))
    assert np.asarray(first).std() > 40
