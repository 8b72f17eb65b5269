"""What a row says of a case from the photograph to the answer: frozen, with `to_json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vitbench.measure.measurement import Subject
from vitbench.photo.photographs import Photograph
from vitbench.stats.intervals import PairedRatio, paired_ratio


@dataclass(frozen=True)
class Front:
    """A front half: KEPT, BROKEN, UNPROVEN, REFERENCE or unavailable, and a sentence on it.

    `share` is of photographs with the reference's answer, None where nothing is claimed.
    `pixel_difference` is what photo/pixels.py limits; None of one in a graph. `seconds` are of the
    front half by itself, by the name of the photograph: none of one in a graph. `over_own` are
    times of the whole chain with it, as multiples of that with `own`, where graphs and the fastest
    of the others were compared.
    """

    name: str
    state: str
    sentence: str
    share: float | None = None
    relative_error: float | None = None
    pixel_difference: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    over_own: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TimedPhoto:
    """One photograph through the chain with the front half `front`.

    `seconds` and `own_seconds` are rounds of pairs with the chain of Pillow and the model's own
    preprocessing; `beside_seconds` and `inference_seconds` of pairs with inference alone.
    """

    photograph: Photograph
    front: str
    seconds: Sequence[float]
    own_seconds: Sequence[float]
    beside_seconds: Sequence[float]
    inference_seconds: Sequence[float]
    throttled: Mapping[str, float] | None

    @property
    def ratio(self) -> PairedRatio:
        """How many times as fast as with Pillow and the model's own preprocessing."""
        return paired_ratio(self.seconds, self.own_seconds)

    @property
    def over_inference(self) -> PairedRatio:
        """How many times inference alone the whole chain takes."""
        return paired_ratio(self.inference_seconds, self.beside_seconds)

    def to_json(self) -> dict[str, Any]:
        width, height = self.photograph.size
        ratio, over = self.ratio, self.over_inference
        return {
            "name": self.photograph.name,
            "width": width,
            "height": height,
            "bytes": len(self.photograph.jpeg),
            "front": self.front,
            "seconds": float(np.median(self.seconds)),
            "ratio": asdict(ratio),
            "over_inference": asdict(over),
            "front_share": front_share(over.speedup),
            "own_share": front_share(over.speedup * ratio.speedup),
        }


@dataclass(frozen=True)
class PhotoMeasurement:
    """A case from JPEG bytes to its answer. `timed` begins with the photograph of the row's rounds;
    `judged` photographs decided on the `fronts`, and none may have pixels that are off by more than
    `pixel_limit`."""

    subject: Subject
    timed: Sequence[TimedPhoto]
    fronts: Sequence[Front]
    judged: int
    pixel_limit: float
    waited_seconds: float

    def to_json(self) -> dict[str, Any]:
        """The row beside its seconds, which pytest-benchmark writes."""
        first = self.timed[0]
        photos = [each.to_json() for each in self.timed]
        return {
            **self.subject.to_json(),
            "waited_seconds": self.waited_seconds,
            "throttled": first.throttled,
            "front": first.front,
            "front_share": photos[0]["front_share"],
            "ratio": photos[0]["ratio"],
            "reference": {"rounds": list(first.own_seconds)},
            "judged": self.judged,
            "pixel_limit": self.pixel_limit,
            "photographs": photos,
            "fronts": [asdict(each) for each in self.fronts],
        }


def front_share(over_inference: float) -> float:
    """Of the whole chain, that is not inference; 0 where noise makes the chain the faster."""
    return max(0.0, 1 - 1 / over_inference)
