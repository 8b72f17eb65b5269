"""The predictions that flipped, as a person would look at them: picture, both labels, margins."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from vitbench.heads import HEADS, SINGLE_LABEL
from vitbench.measure.photos import Photo

MOST = 12
SIDE = 64  # pixels; a JPEG of it is about 2 kB


def surest_flips(
    measured: Mapping[str, Any],
    photos: Sequence[Photo],
    most: int = MOST,
    thumbnails: bool = True,
) -> list[dict[str, Any]]:
    """Of the images whose answer is not fp32's, those that fp32 was surest of.

    `measured` is what `agreement.compare` returns for `photos`, in their order. Each has the
    image's id, both answers in words, both margins (vitbench/heads) and a `thumbnail` of 64 x 64
    pixels at most, a JPEG in base64, or "" without `thumbnails`. A head that decides nothing has
    no margin, and so no flip.
    """
    if "margin" not in measured:
        return []
    head, names = HEADS[measured.get("head", SINGLE_LABEL)], measured["class_names"]
    answers, references = head.answers(measured)
    differ = [
        at for at, (own, true) in enumerate(zip(answers, references, strict=True)) if own != true
    ]
    differ.sort(key=lambda at: -measured["margin"][at])
    return [
        {
            "image": photos[at].id,
            "reference_label": head.shown(references[at], names),
            "label": head.shown(answers[at], names),
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
