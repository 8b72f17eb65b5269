"""The samples of a case under load: images with verified answers, and images never seen before."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.load.checks import OutputCheck
from vitbench.measure.measuring import witness
from vitbench.measure.outputs import Reading
from vitbench.measure.session import Session
from vitbench.measure.unseen import unseen

if TYPE_CHECKING:
    from vitbench.load.photo_samples import PhotoSamples

TENSOR, PHOTO = "tensor", "photo"
TENSORS = "vitbench.load.answers:deployment"
KNOWN, NEW = 16, 48
BUDGET_SECONDS = 2.0  # for the answers of the verified deployment
LEAST_KNOWN = 4


@dataclass(frozen=True)
class LoadSamples:
    """What `--load-samples` asks for: tensors, or photographs, and the name of their front half, ""
    for the fastest that is not BROKEN."""

    photo: bool = False
    front: str = ""

    @classmethod
    def parse(cls, text: str) -> "LoadSamples":
        """Of `tensor`, `photo` or `photo:FRONT`. Raises UserError for another text."""
        kind, colon, front = text.partition(":")
        if text == TENSOR:
            return cls()
        if kind != PHOTO or (colon and not front):
            raise UserError(
                f"--load-samples={text}: expected {TENSOR}, {PHOTO}, or {PHOTO}:FRONT such as "
                f"{PHOTO}:pillow"
            )
        if front:
            from vitbench.photo.choosing import NAMES

            if front not in NAMES:
                raise UserError(f"--load-samples={text}: FRONT is one of {', '.join(NAMES)}")
        return cls(True, front)


OF_TENSORS = LoadSamples()


@dataclass(frozen=True)
class Samples:
    """The first `known` have verified answers (of `check`), `new` others differ from all that was
    ever sent. `call_seconds` is one call. `request` says to a
    serving process what answers (answers.py), and where the samples are. `photo` is there where
    they are photographs."""

    known: int
    new: range
    check: OutputCheck
    call_seconds: float
    request: Mapping[str, Any]
    photo: "PhotoSamples | None" = None


def first_answers(session: Session, case: Case) -> tuple[list[NDArray[np.float32]], float]:
    """Two answers (1, C) of this process's deployment to the first image of the sample, and the
    seconds of the second. Raises WrongOutputs where they are not those of verification."""
    deployment, first = session.deployment(case), session.sample(case.model).images[:1]
    answers = [deployment.logits(first)]
    start = perf_counter()
    answers.append(deployment.logits(first))
    seconds = perf_counter() - start
    witness(session, case).begin(answers, "before its load")
    return answers, seconds


def make_samples(session: Session, case: Case, folder: Path) -> Samples:
    """The samples of a case that was verified, tensors, which are written to `folder`.

    Their answers are those of this process's deployment, one image a call, of which the first must
    be that of verification. Raises WrongOutputs where it is not.
    """
    answers, seconds = first_answers(session, case)
    deployment, images = session.deployment(case), session.sample(case.model).images
    known = min(len(images), KNOWN, max(LEAST_KNOWN, int(BUDGET_SECONDS / seconds)))
    verified = [answers[-1], *(deployment.logits(images[n : n + 1]) for n in range(1, known))]
    file = folder / "samples.npy"
    np.save(file, np.concatenate([images[:known], unseen(images, known, NEW)]))
    measured = session.verify(case).measured
    limits = session.recipe(case).limits
    check = OutputCheck(case.id, np.concatenate(verified), limits, Reading.of(measured))
    request = {"answer": TENSORS, "samples": str(file)}
    return Samples(known, range(known, known + NEW), check, seconds, request)
