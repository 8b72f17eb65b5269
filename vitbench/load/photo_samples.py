"""Photographs as the samples of a case under load: JPEG bytes in memory, answered from there on."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.case import Case
from vitbench.load.checks import OutputCheck
from vitbench.load.samples import BUDGET_SECONDS, KNOWN, LEAST_KNOWN, NEW, Samples, first_answers
from vitbench.measure.images import image_of
from vitbench.measure.outputs import Reading
from vitbench.measure.session import Session
from vitbench.photo.choosing import ChosenFront, chosen_front
from vitbench.photo.judging import jpeg_file
from vitbench.photo.photographs import Photograph, encoded, usual
from vitbench.photo.steps import Steps
from vitbench.runtimes import Deployment

PHOTOGRAPHS = "vitbench.load.answers:photographs"


@dataclass(frozen=True)
class PhotoSamples:
    """What a row says of photographs as samples: their sizes in words, and the front half."""

    sizes: str
    front: ChosenFront

    @property
    def words(self) -> str:
        return (
            f"samples are {self.sizes}; front half {self.front.sentence}, by {self.front.judged} "
            "photographs"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "photographs": self.sizes,
            "front": self.front.name,
            "front_state": self.front.state,
            "front_sentence": self.front.sentence,
        }


def make_photo_samples(session: Session, case: Case, folder: Path, name: str = "") -> Samples:
    """The samples of a case that was verified, which are written to `folder`; `name`: of the front
    half, "" for the fastest that is not BROKEN.

    JPEG files of --images are sent as they are; other images are sent as JPEG files of the USUAL
    size. The verified answers are those of the chain with the front half in this process, which was
    judged against the model's own preprocessing. Raises as `chosen_front`, and WrongOutputs where
    the deployment answers otherwise than verified.
    """
    first_answers(session, case)
    photos = session.inputs.photos[:KNOWN]
    sent = [jpeg_file(photo) or Photograph(photo.id, usual(photo.read())) for photo in photos]
    front = chosen_front(session, case, sent, [photo.cluster for photo in photos], name)
    seconds = _call_seconds(front.chain, sent[0])
    known = sent[: max(LEAST_KNOWN, int(BUDGET_SECONDS / seconds))]
    verified = np.concatenate([_outputs(front.chain, each) for each in known])
    moved = _unlike(known)
    file = folder / "samples.npz"
    save(file, [*(each.jpeg for each in known), *moved])
    limits = session.recipe(case).limits
    reading = Reading.of(session.verify(case).measured)
    steps = Steps.of(session.model(case.model).preprocess)
    return Samples(
        known=len(known),
        new=range(len(known), len(known) + len(moved)),
        check=OutputCheck(case.id, verified, limits, reading),
        call_seconds=seconds,
        request={
            "answer": PHOTOGRAPHS, "samples": str(file), "front": front.name,
            "steps": steps.to_json(),
        },
        photo=PhotoSamples(_sizes(known), front),
    )  # fmt: skip


def save(file: Path, jpegs: list[bytes]) -> None:
    """For `answers.photographs`."""
    arrays: dict[str, Any] = {
        str(number): np.frombuffer(jpeg, np.uint8) for number, jpeg in enumerate(jpegs)
    }
    np.savez(file, **arrays)


def _unlike(known: list[Photograph]) -> list[bytes]:
    """NEW photographs that nobody sent, of one size. No two have the same bytes: a photograph of
    one colour looks the same wherever it is moved to, so where all known ones are such, they get
    grain."""
    for photograph in known:
        moved = _moved(_pixels(photograph))
        if len(set(moved)) == len(moved):
            return moved
    pixels, generator = _pixels(known[0]), np.random.default_rng(0)
    return [
        encoded(Image.fromarray(pixels ^ generator.integers(0, 64, pixels.shape, np.uint8)))
        for _ in range(NEW)
    ]


def _pixels(photograph: Photograph) -> NDArray[np.uint8]:
    return np.asarray(image_of(photograph.jpeg, photograph.name))


def _moved(pixels: NDArray[np.uint8]) -> list[bytes]:
    """A photograph, (H, W, C), moved around its edge, each time further by a part of its width."""
    width = pixels.shape[1]
    step = max(1, width // (NEW + 1))
    turns = (divmod(number * step, width) for number in range(1, NEW + 1))
    return [encoded(Image.fromarray(np.roll(pixels, turn, axis=(0, 1)))) for turn in turns]


def _outputs(chain: Deployment, photograph: Photograph) -> NDArray[np.float32]:
    with chain.active():
        return chain.read(chain([photograph.jpeg]))


def _call_seconds(chain: Deployment, photograph: Photograph) -> float:
    seconds = []
    for _ in range(4):
        start = perf_counter()
        _outputs(chain, photograph)
        seconds.append(perf_counter() - start)
    return median(seconds[1:])


def _sizes(sent: list[Photograph]) -> str:
    sizes = [each.size for each in sent]
    width, height = (int(median(each)) for each in zip(*sizes, strict=True))
    kilobytes = median(len(each.jpeg) for each in sent) / 1000
    usual_words = f"{width} x {height}" if len({*sizes}) == 1 else f"about {width} x {height}"
    return f"{len(sent)} JPEG photographs of {usual_words}, {kilobytes:.0f} kB each"
