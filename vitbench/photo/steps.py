"""A preprocessing in numbers: all that a front half needs to know of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models.described import describe
from vitbench.models.preprocess import Preprocess


@dataclass(frozen=True)
class Steps:
    """Resize, crop, normalize: the fields of a manifest's `preprocessing` of the same names.

    `resize` is the shorter edge, or (height, width), or None; `interpolation` Pillow's name in
    lower case. `crop` is (height, width) or None, at the middle, which is a whole number by
    `crop_at`: "round" or "floor". A value is (pixel / scale - mean) / std; `order` is RGB, BGR or
    L. `image` is the shape (C, H, W) that is made.
    """

    resize: int | tuple[int, int] | None
    interpolation: str
    crop: tuple[int, int] | None
    crop_at: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str
    image: tuple[int, int, int]

    @classmethod
    def of(cls, preprocess: Preprocess) -> "Steps":
        """Of a model's preprocessing. Raises Unavailable where it cannot be written out."""
        described, _, reason = describe(preprocess)
        if described is None:
            raise Unavailable(reason)
        return cls.from_json(described)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> "Steps":
        """Of the `preprocessing` of a manifest."""
        resize = described["resize"] or {"size": None, "interpolation": ""}
        size, crop = resize["size"], described["crop"]
        channels, height, width = described["input"]
        return cls(
            tuple(size) if isinstance(size, list) else size,
            resize["interpolation"],
            (crop[0], crop[1]) if crop else None,
            described["crop_at"],
            described["scale"],
            tuple(described["mean"]),
            tuple(described["std"]),
            described["order"],
            (channels, height, width),
        )

    def to_json(self) -> dict[str, Any]:
        """For another process: `from_json` is its other end."""
        resize = {"size": self.resize, "interpolation": self.interpolation}
        return {
            "resize": None if self.resize is None else resize,
            "crop": self.crop,
            "crop_at": self.crop_at,
            "scale": self.scale,
            "mean": self.mean,
            "std": self.std,
            "order": self.order,
            "input": self.image,
        }

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a photograph once it is resized."""
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        short = min(height, width)
        return int(self.resize * height / short), int(self.resize * width / short)

    def corner(self, height: int, width: int) -> tuple[int, int]:
        """Top and left of the crop in a photograph that is resized."""
        if self.crop is None:
            return 0, 0
        spare = height - self.crop[0], width - self.crop[1]
        if self.crop_at == "round":
            return round(spare[0] / 2), round(spare[1] / 2)
        return spare[0] // 2, spare[1] // 2

    @cached_property
    def factor(self) -> NDArray[np.float32]:
        """By what a pixel is multiplied, of each channel as the model takes it: (C, 1, 1)."""
        return self._column(1 / (self.scale * np.array(self.std)))

    @cached_property
    def offset(self) -> NDArray[np.float32]:
        """What is added to that: (C, 1, 1)."""
        return self._column(-np.array(self.mean) / np.array(self.std))

    def require_colour(self) -> None:
        """Raises Unavailable where a front half that keeps to the plain case cannot serve it."""
        if self.image[0] != 3:
            raise Unavailable("the model takes grey images")
        if self.crop is None or self.resize is None:
            return
        least = self.resize if isinstance(self.resize, tuple) else (self.resize, self.resize)
        if self.crop[0] > least[0] or self.crop[1] > least[1]:
            raise Unavailable("the model's crop is larger than what is resized")

    @staticmethod
    def _column(values: NDArray[np.float64]) -> NDArray[np.float32]:
        return values.astype(np.float32).reshape(-1, 1, 1)
