"""JPEG bytes to pixels: uint8 (H, W, 3), red first, an EXIF orientation not applied.

Whatever is no plain JPEG of one or three bands (CMYK, another format, a file that does not end as a
JPEG does), and whatever a decoder refuses, is Pillow's: so every front half reads what Pillow
reads, to the same colours, and refuses what Pillow refuses.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vitbench.measure.images import image_of

Pixels: TypeAlias = NDArray[np.uint8]
Decoder: TypeAlias = Callable[[bytes], Pixels]
NAME = "the photograph"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of a frame (T.81, table B.1)


def by_pillow(jpeg: bytes) -> Pixels:
    """Raises UserError where Pillow cannot read it."""
    return np.asarray(image_of(jpeg, NAME))


def by_simplejpeg(jpeg: bytes) -> Pixels:
    import simplejpeg

    return _sure(jpeg, lambda: simplejpeg.decode_jpeg(jpeg, "RGB"))


def by_opencv(jpeg: bytes) -> Pixels:
    import cv2

    as_stored = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return _sure(jpeg, lambda: cv2.imdecode(np.frombuffer(jpeg, np.uint8), as_stored))


def by_torchvision(jpeg: bytes) -> Pixels:
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    def decode() -> Any:
        data = torch.frombuffer(bytearray(jpeg), dtype=torch.uint8)
        return decode_jpeg(data, mode=ImageReadMode.RGB).permute(1, 2, 0).numpy()

    return _sure(jpeg, decode)


def scaled_by_simplejpeg(height: int, width: int) -> Decoder:
    """Decodes at 1/8 to 8/8 of the size: the least that has so many rows and columns.

    A JPEG's blocks of 8 x 8 can be decoded to smaller ones, each the mean of some pixels.
    """
    import simplejpeg

    def decode(jpeg: bytes) -> Pixels:
        least = {"min_height": height, "min_width": width}
        return _sure(jpeg, lambda: simplejpeg.decode_jpeg(jpeg, "RGB", **least))

    return decode


def is_plain(jpeg: bytes) -> bool:
    """Whether the bytes are a JPEG of 8 bits and one or three bands, with its end."""
    if jpeg[:2] != b"\xff\xd8" or jpeg[-2:] != b"\xff\xd9":
        return False
    at = 2
    while at + 9 < len(jpeg):
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4])
        if jpeg[at] != 0xFF or marker == 0xDA:
            return False
        if marker in _FRAMES:
            return jpeg[at + 4] == 8 and jpeg[at + 9] in (1, 3)
        at += 2 + length
    return False


def _sure(jpeg: bytes, decode: Callable[[], Any]) -> Pixels:
    """What a decoder makes of a plain JPEG, or else Pillow of the bytes."""
    if is_plain(jpeg):
        try:
            found = decode()
        except Exception:  # whatever a decoder raises: it may read what Pillow reads, or neither
            found = None
        if found is not None:
            return np.asarray(found)
    return by_pillow(jpeg)
