"""What executes a model. One module per runtime, and two tables: `registry.py`, `variants.py`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.runtimes import foreign
from vitbench.runtimes.base import Deployment, Operator, Placement, Runtime, Variant
from vitbench.runtimes.catalogue import catalogue_of
from vitbench.runtimes.registry import RUNTIMES, runtime
from vitbench.runtimes.structures import structure_of
from vitbench.runtimes.variants import VARIANTS
from vitbench.structure import Structure

__all__ = [
    "RUNTIMES",
    "VARIANTS",
    "Deployment",
    "Operator",
    "Placement",
    "Runtime",
    "Variant",
    "has_streams",
    "load",
    "operators",
    "placement_of",
    "runtime",
    "streams",
    "structure",
    "variant",
]


def load(placement: Placement) -> Deployment:
    """The deployment of an artifact, in its runtime. Its `stage` makes any memory layout contiguous
    and raises ValueError for images that the model does not take: a runtime may not notice.

    Raises UserError where the artifact is gone.
    """
    _require(placement.path)
    return _checked(_reader(placement.variant).load(placement), placement.image)


def has_streams(variant: Variant, device: str) -> bool:
    """Whether a variant's runtime, or what reads the file of another tool in it, answers several
    calls at a time in one process (`Streaming`)."""
    readers: Mapping[str, Any] = foreign.READERS
    verbs = readers[variant.runtime] if variant.artifact else runtime(variant.runtime)
    return device == "cpu" and callable(getattr(verbs, "streams", None))


def streams(placement: Placement, count: int) -> list[Deployment]:
    """As `load`: `count` deployments of one artifact, which may be called at the same time. Its
    runtime `has_streams`."""
    _require(placement.path)
    found = _reader(placement.variant).streams(placement, count)
    return [_checked(each, placement.image) for each in found]


def _checked(plain: Deployment, image: tuple[int, int, int]) -> Deployment:

    def stage(images: NDArray[np.float32]) -> Any:
        if images.dtype != np.float32 or images.shape[1:] != image or not len(images):
            raise ValueError(
                f"images are {images.dtype} {images.shape}; this model takes float32 (N, "
                f"{', '.join(map(str, image))})"
            )
        return plain.stage(np.ascontiguousarray(images))

    return replace(plain, stage=stage)


def operators(placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
    """Where the time of one call goes, the slowest operator first. Raises Unavailable, and as
    `load`."""
    _require(placement.path)
    found = _reader(placement.variant).operators(placement, images)
    return sorted(found, key=lambda each: -each.seconds)


def structure(placement: Placement, images: NDArray[np.float32], artifact_bytes: int) -> Structure:
    """What one call executes, counted exactly, and how large the artifact is.

    For a process that times nothing: what was compiled before is forgotten. Raises Unavailable, and
    as `load`.
    """
    _require(placement.path)
    row = placement.variant
    version = runtime(row.runtime).version()
    return structure_of(_reader(row), placement, images, version, artifact_bytes)


def _reader(row: Variant) -> Any:
    """What loads a variant's file: its runtime, or what reads the files of other tools."""
    return foreign if row.artifact else runtime(row.runtime)


def _require(path: Path) -> None:
    """Raises UserError where there is no such file: runtimes raise various errors."""
    if not path.exists():
        raise UserError(
            f"the artifact {path} is gone: it was deleted while this run used it; run it again"
        )


def variant(name: str) -> Variant:
    """The variant of that name, of vitbench or of a package. Raises UserError where there is none:
    a project's own are in the catalogue of its session, and travel whole."""
    return catalogue_of().variant(name)


def placement_of(request: Mapping[str, Any]) -> Placement:
    """The Placement among the fields of a request (`Placement.to_json`). Raises as `variant`."""
    whole = request.get("recipe")
    return Placement(
        Path(request["path"]),
        Variant.from_json(whole) if whole else variant(request["variant"]),
        request["device"],
        request["architecture"],
        request["threads"],
        tuple(request.get("import_roots", ())),
    )
