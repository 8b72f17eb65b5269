"""The samples of a case under load: images with verified answers, and images never seen before."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitbench.case import Case
from vitbench.load.checks import OutputCheck
from vitbench.measure.measuring import witness
from vitbench.measure.outputs import Reading
from vitbench.measure.session import Session

KNOWN, NEW = 16, 48
BUDGET_SECONDS = 2.0  # for the answers of the verified deployment
LEAST_KNOWN = 4
NOISE = 1e-3


@dataclass(frozen=True)
class Samples:
    """`file` has the images, float32 (N, 3, H, W): the first `known` have verified answers (of
    `check`), `new` others differ from all that was ever sent. `call_seconds` is one call."""

    file: Path
    known: int
    new: range
    check: OutputCheck
    call_seconds: float


def make_samples(session: Session, case: Case, folder: Path) -> Samples:
    """The samples of a case that was verified, which are written to `folder`.

    Their answers are those of this process's deployment, one image a call, of which the first must
    be that of verification. Raises WrongOutputs where it is not.
    """
    from time import perf_counter

    deployment, images = session.deployment(case), session.sample(case.model).images
    first = images[:1]
    answers = [deployment.logits(first)]
    start = perf_counter()
    answers.append(deployment.logits(first))
    seconds = perf_counter() - start
    witness(session, case).begin(answers, "before its load")
    known = min(len(images), KNOWN, max(LEAST_KNOWN, int(BUDGET_SECONDS / seconds)))
    verified = [answers[-1], *(deployment.logits(images[n : n + 1]) for n in range(1, known))]
    generator = np.random.default_rng(0)
    new = np.take(images, range(NEW), axis=0, mode="wrap")
    new = new + generator.normal(0, NOISE, new.shape).astype(np.float32)
    file = folder / "samples.npy"
    np.save(file, np.concatenate([images[:known], new]))
    measured = session.verify(case).measured
    limits = session.recipe(case).limits
    check = OutputCheck(case.id, np.concatenate(verified), limits, Reading.of(measured))
    return Samples(file, known, range(known, known + NEW), check, seconds)
