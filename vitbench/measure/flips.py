"""The predictions that flipped, as a person would look at them: picture, both labels, margins."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from vitbench.measure.photos import Photo

MOST = 12
SIDE = 64  # pixels; a JPEG of it is about 2 kB


def surest_flips(
    measured: Mapping[str, Any],
    photos: Sequence[Photo],
    most: int = MOST,
    thumbnails: bool = True,
) -> list[dict[str, Any]]:
    """Of the images whose top-1 differs from fp32's, those that fp32 was surest of.

    `measured` is what `agreement.compare` returns for `photos`, in their order. Each has the
    image's id, both labels, both margins (first logit less second) and a `thumbnail` of 64 x 64
    pixels at most, a JPEG in base64, or "" without `thumbnails`.
    """
    names = measured["class_names"]
    differ = [
        at
        for at, (own, true) in enumerate(
            zip(measured["top1"], measured["reference_top1"], strict=True)
        )
        if own != true
    ]
    differ.sort(key=lambda at: -measured["margin"][at])
    return [
        {
            "image": photos[at].id,
            "reference_label": names[measured["reference_top1"][at]],
            "label": names[measured["top1"][at]],
            "reference_margin": measured["margin"][at],
            "margin": measured["own_margin"][at],
            "thumbnail": thumbnail(photos[at]) if thumbnails else "",
        }
        for at in differ[:most]
    ]


def thumbnail(photo: Photo) -> str:
    """A small JPEG of an image, in base64."""
    image, file = photo.read().convert("RGB"), BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(file, "JPEG", quality=70)
    return base64.b64encode(file.getvalue()).decode()
