"""Whether a chain answers photographs as the one with Pillow and the model's own preprocessing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.errors import UserError
from vitbench.judge.agreement import Agreement, doomed, judge_agreement
from vitbench.measure.agreement import compare, logits_of
from vitbench.measure.images import image_of
from vitbench.measure.photos import Photo
from vitbench.measure.sample import Sample
from vitbench.models import Model
from vitbench.models.preprocess import Preprocess
from vitbench.photo.chain import FrontHalf, chained
from vitbench.photo.decoders import NAME
from vitbench.photo.photographs import Photograph, encoded
from vitbench.photo.steps import Steps
from vitbench.runtimes import Deployment

QUALITY = 95  # of crops, which are no files
NUDGED = 0.0025
"""The share of values that a resize of uint8 with antialiasing has one level off Pillow's."""
ROOM = 2.0


def own(preprocess: Preprocess) -> FrontHalf:
    """The front half that all are compared with: Pillow and the model's own preprocessing."""
    return lambda jpeg: np.ascontiguousarray(preprocess(image_of(jpeg, NAME)))


def jpeg_file(photo: Photo) -> Photograph | None:
    """An image of the sample that is a JPEG file, and no crop of one: its own bytes."""
    if photo.file and not photo.cut:
        data = photo.file.read_bytes()
        if data[:2] == b"\xff\xd8":
            return Photograph(photo.id, data)
    return None


def photograph_of(photo: Photo) -> Photograph:
    """An image of the sample as JPEG: its own bytes, where it is a JPEG file."""
    return jpeg_file(photo) or Photograph(photo.id, encoded(photo.read(), quality=QUALITY))


@dataclass(frozen=True)
class FrontState:
    """`state` is KEPT, BROKEN or UNPROVEN, and the sentence says of what; without an agreement, the
    chain refused a photograph, or answered one that it must not. `pixels`: how far they are off
    (photo/pixels.py); None where nothing was seen of them."""

    state: str
    sentence: str
    agreement: Agreement | None = None
    pixels: float | None = None


class Judge:
    """Asks chains `photographs`, the first of them if not all; `clusters` are what each is a
    picture of."""

    def __init__(
        self, model: Model, photographs: Sequence[Photograph], clusters: Sequence[str]
    ) -> None:
        self._model, self._photographs = model, photographs
        self._good = [each for each in photographs if each.whole]
        pairs = zip(clusters, photographs, strict=True)
        self._clusters = tuple(each for each, photo in pairs if photo.whole)

    @property
    def count(self) -> int:
        """Of the photographs that are to be answered."""
        return len(self._good)

    def outputs(self, chain: Deployment) -> NDArray[np.float32]:
        """Of a chain, (N, C)."""
        return logits_of(self._asked(chain), self._sample(self.count).images, 1)

    def judged(
        self,
        name: str,
        chain: Deployment,
        reference: NDArray[np.float32],
        limits: Limits,
        most: int | None = None,
    ) -> FrontState:
        """Of a chain against the reference's `outputs`, by the limits of its front half, on the
        first `most` photographs, or all."""
        for each in self._photographs:
            if not each.whole and _answers(chain, each):
                return FrontState(
                    "BROKEN", f"{name}: answers a photograph that {each.about}: BROKEN"
                )
        model = self._model
        ask = partial(
            compare,
            self._asked(chain),
            self._sample(self.count if most is None else most),
            reference[:most],
            1,
            [label.name for label in model.labels],
            model.weights.synthetic,
            lambda measured: doomed(measured, limits),
            head=model.head,
            threshold=model.threshold,
        )
        try:
            agreement = judge_agreement(ask(), limits, name)
        except UserError as error:
            return FrontState("BROKEN", f"{name}: refuses what Pillow reads: {error}: BROKEN")
        return FrontState(agreement.state, agreement.sentence, agreement)

    def room(
        self, preprocess: Preprocess, deployment: Deployment, reference: NDArray[np.float32]
    ) -> float:
        """A relative error that every front half may have: ROOM times that of pixels one level
        off here and there, which int8 layers may round another way."""
        front, steps = own(preprocess), Steps.of(preprocess)
        off = np.random.default_rng(0).random(steps.image) < NUDGED
        level = (off * steps.factor).astype(np.float32)
        outputs = self.outputs(chained(lambda jpeg: front(jpeg) + level, deployment))
        return ROOM * float(np.linalg.norm(outputs - reference) / np.linalg.norm(reference))

    def _sample(self, most: int) -> Sample:
        """Its "images" are places in a list: what a chain takes are bytes."""
        names = tuple(each.name for each in self._good[:most])
        places = np.arange(len(names), dtype=np.float32)
        return Sample(names, self._clusters[:most], None, places, "photographs", "")

    def _asked(self, chain: Deployment) -> Deployment:
        def stage(places: NDArray[np.float32]) -> Any:
            return [self._good[int(place)].jpeg for place in places]

        return replace(chain, stage=stage)


def _answers(chain: Deployment, photograph: Photograph) -> bool:
    """Whether a chain answers it, instead of raising a sentence."""
    try:
        with chain.active():
            chain.call([photograph.jpeg])
    except UserError:
        return False
    return True
