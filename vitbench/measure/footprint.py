"""A fresh process that loads a case: what that costs, what it answers, and where its time goes.

A crash there costs its case alone.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.build.ask import ask
from vitbench.case import Case
from vitbench.runtimes import Placement
from vitbench.structure import Structure

# Compiling is part of a compiled deployment's first inference.
FRESH_SECONDS = 900.0


@dataclass(frozen=True)
class Fresh:
    """What a process of its own measured of a case, by its own clock, and its logits (2, N, C) of
    two calls on the same images.

    `figures` are `load_seconds`, `first_inference_seconds`, `peak_memory_bytes` (highest resident
    memory of the process), `baseline_memory_bytes` (resident once the runtime is imported) and
    `cuda_peak_bytes` (of the CUDA allocator; None on a CPU).
    """

    figures: dict[str, Any]
    answers: NDArray[np.float32]


def fresh_process(
    case: Case,
    placement: Placement,
    images: NDArray[np.float32],
    others: Sequence[NDArray[np.float32]] = (),
) -> Fresh:
    """Load a case in a process of its own; call it on `images`, (N, 3, H, W), then on the others.

    Raises what `ask` raises.
    """
    with _request("footprint", placement, images) as (request, folder):
        answers, files = folder / "answers.npy", [folder / f"{len(each)}.npy" for each in others]
        for file, each in zip(files, others, strict=True):
            np.save(file, each)
        request |= {"answers": str(answers), "others": [str(file) for file in files]}
        figures = ask(request, FRESH_SECONDS, name=f"the process that loads {case.id}")
        return Fresh(figures, np.load(answers, allow_pickle=False))


def profile(case: Case, placement: Placement, images: NDArray[np.float32]) -> list[dict[str, Any]]:
    """The operators of a call: name, seconds, calls; the slowest first. Raises what `ask` does."""
    with _request("operators", placement, images) as (request, _):
        name = f"the process that profiles {case.id}"
        found: list[dict[str, Any]] = ask(request, FRESH_SECONDS, name=name)["operators"]
        return found


def counted(
    case: Case, placement: Placement, images: NDArray[np.float32], artifact_bytes: int
) -> Structure:
    """What one call executes, which nothing that was compiled before changes. Raises Unavailable
    where the runtime cannot count, and what `ask` does."""
    with _request("structure", placement, images) as (request, _):
        request |= {"artifact_bytes": artifact_bytes}
        name = f"the process that counts what {case.id} executes"
        return Structure.from_json(ask(request, FRESH_SECONDS, name=name)["structure"])


@contextmanager
def _request(
    verb: str, placement: Placement, images: NDArray[np.float32]
) -> Iterator[tuple[dict[str, Any], Path]]:
    """A request on these images, and the folder that they lie in until it is answered."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "images.npy", images)
        yield (
            {
                "verb": verb,
                **placement.to_json(),
                "images": str(folder / "images.npy"),
            },
            folder,
        )
