"""Files that another tool built (`artifact = "build/vit.onnx"`): the front door, and the table of
what reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.lfs import require_content
from vitbench.runtimes.base import Deployment, Operator, Placement, Variant
from vitbench.runtimes.foreign import executorch_files, loading, onnx_files, openvino_files
from vitbench.runtimes.foreign.description import described
from vitbench.runtimes.foreign.fit import toml
from vitbench.runtimes.foreign.opened import Reader
from vitbench.runtimes.foreign.torch_files import AOT_INDUCTOR, LITE, TORCHSCRIPT
from vitbench.structure import Counters

__all__ = [
    "READERS",
    "admit",
    "calling_code",
    "code",
    "described",
    "files",
    "load",
    "loading_code",
    "operators",
    "require_definition",
    "streams",
    "structure",
    "toml",
]

READERS: Mapping[str, Reader] = {
    "torchscript": TORCHSCRIPT,
    "lite": LITE,
    "onnxruntime": onnx_files,
    "openvino": openvino_files,
    "executorch": executorch_files,
    "aot_inductor": AOT_INDUCTOR,
}
"""By the runtime that executes the files."""


def require_definition(row: Variant) -> None:
    """Raises UserError, before a run, where a variant names a file that cannot be right."""
    where = f"{row.name} ({row.origin})"
    if row.artifact is None:
        if row.served:
            described(row.input, where)
        elif row.input:
            raise UserError(f"{where}: input describes a file, and there is no artifact: give one")
        return
    path, known = Path(row.artifact), ", ".join(READERS)
    if row.runtime not in READERS:
        raise UserError(
            f"{where}: the runtime {row.runtime} reads no files of other tools: {known} do"
        )
    endings = READERS[row.runtime].endings
    if path.suffix not in endings:
        raise UserError(
            f"{where}: artifact {path.name}: the runtime {row.runtime} reads "
            f"{' and '.join(endings)}"
        )
    if row.transform or row.calibrated:
        what = "transform" if row.transform else "calibrated"
        raise UserError(
            f"{where}: nothing is built where there is an artifact: leave out {what}, or artifact"
        )
    described(row.input, where)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{where}: artifact {path.parent.name}/{path.name} {what}: build it first")
    require_content(path, said=f"{where}: artifact {path.parent.name}/{path.name}")


def files(row: Variant) -> list[Path]:
    """All files of a variant's artifact, itself first. Raises UserError where one is missing,
    or a pointer of Git LFS lies in place of one."""
    first = Path(row.artifact or "")
    require_content(first, said=first.name)  # before it is read as what it should be
    found = READERS[row.runtime].files(first)
    for file in found[1:]:
        require_content(file, said=file.name)
    return found


def code(row: Variant) -> tuple[str, ...]:
    """The modules that read its files, by name: part of an identity."""
    return loading.__name__, READERS[row.runtime].__name__


def admit(placement: Placement, outputs: int, undone: Mapping[str, Any]) -> dict[str, Any]:
    return loading.admit(READERS[placement.variant.runtime], placement, outputs, undone)


def load(placement: Placement) -> Deployment:
    return loading.load(READERS[placement.variant.runtime], placement)


def streams(placement: Placement, count: int) -> list[Deployment]:
    """Of a file whose reader has them, as `base.Streaming`."""
    reader: Any = READERS[placement.variant.runtime]
    found: list[Deployment] = reader.streams(placement, count)
    return found


def operators(placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
    return READERS[placement.variant.runtime].operators(placement, images)


def structure(placement: Placement, images: NDArray[np.float32]) -> Counters:
    return READERS[placement.variant.runtime].structure(placement, images)


def loading_code(placement: Placement) -> str:
    return READERS[placement.variant.runtime].loading_code(placement)


def calling_code(placement: Placement, images: str) -> list[str]:
    return loading.calling_code(READERS[placement.variant.runtime], placement, images)
