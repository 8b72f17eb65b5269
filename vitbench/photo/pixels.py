"""How far the pixels of a front half are from those of the model's own preprocessing.

Answers alone do not say it: random weights, and int8 layers, answer almost the same to pixels that
are far off.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.measure.crops import SHIPPED, shipped
from vitbench.photo import photographs
from vitbench.photo.chain import FrontHalf
from vitbench.photo.decoders import by_pillow as decoded
from vitbench.photo.judging import FrontState
from vitbench.photo.resizers import by_pillow
from vitbench.photo.steps import Steps

ROOM = 1.4
"""Of what two antialiased kernels of Pillow are apart. On the photographs of scikit-image, for
images of 160 to 384 pixels, OpenCV's INTER_AREA was at most 1.07 times that, and its kernels
without antialiasing at least 1.75 times: `python -m tests.fidelity.front_pixels`."""
LEAST = 0.02
"""Where nothing is resized: decoders differ by a level here and there."""
OTHER = {"bilinear": "bicubic"}


@dataclass(frozen=True)
class PixelLimit:
    """`most`: the largest difference that a front half may have, on any of the photographs `jpegs`,
    from `wanted`, which the model's own preprocessing makes of them.

    A difference is the root of the mean square after normalisation, over the standard deviation of
    `wanted`: so it is the same for any mean and standard deviation of a preprocessing.
    """

    jpegs: tuple[bytes, ...]
    wanted: tuple[NDArray[np.float32], ...]
    most: float

    @classmethod
    def of(cls, own: FrontHalf, steps: Steps) -> "PixelLimit":
        """`own` as `steps` describe it. Raises UserError where scikit-image is not installed."""
        jpegs = real_photographs()
        wanted = tuple(own(jpeg) for jpeg in jpegs)
        kernel = by_pillow(replace(steps, interpolation=OTHER.get(steps.interpolation, "bilinear")))
        apart = _largest((kernel(decoded(jpeg)) for jpeg in jpegs), wanted)
        return cls(jpegs, wanted, max(LEAST, ROOM * apart))

    def difference(self, front: FrontHalf) -> float:
        """The largest of a front half. Raises UserError where it refuses a photograph."""
        return _largest((front(jpeg) for jpeg in self.jpegs), self.wanted)

    def judged(self, found: FrontState, name: str, front: FrontHalf | None) -> FrontState:
        """What was `found` of the answers, BROKEN also by pixels. Those that are made in a graph
        (`front` is None) are not seen."""
        if front is None:
            return found
        try:
            off = self.difference(front)
            words = (
                f"pixels are off by {off:.2g} of their spread, at most {self.most:.2g} is allowed"
            )
            found = replace(found, pixels=off if math.isfinite(off) else None)
        except UserError as error:
            off, words = math.inf, f"refuses what Pillow reads: {error}"
        if off <= self.most or found.state == "BROKEN":
            return found
        return replace(found, state="BROKEN", sentence=f"{name}: {words}: BROKEN")


def real_photographs() -> tuple[bytes, ...]:
    """As JPEG: the colour photographs of scikit-image, whole, of all kinds that are made, and long
    ones."""
    whole = (photographs.encoded(shipped(name).convert("RGB")) for name in SHIPPED)
    made = (*photographs.whole(), *photographs.long_ones())
    return (*whole, *(each.jpeg for each in made))


def _largest(made: Iterable[NDArray[np.float32]], wanted: Iterable[NDArray[np.float32]]) -> float:
    """NaN where a pixel is. A photograph of one colour has no spread: infinite for any other."""
    found = [0.0]
    for one, true in zip(made, wanted, strict=True):
        off, spread = float(np.sqrt(np.mean((one - true) ** 2))), float(true.std())
        found.append(off / spread if spread else math.inf if off else 0.0)
    return float(np.max(found))
