"""What kind of file lies there, by its first bytes and its table of contents; nothing is run."""

import re
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from vitbench import lfs
from vitbench.errors import UserError

PICKLE = b"\x80"  # that torch.save wrote before version 1.6
EXPORTED = (
    "a program of torch.export, which is not compiled: "
    "torch._inductor.aoti_compile_and_package(program) compiles it"
)
SAVED = (
    "what torch.save wrote, a state dict or a pickle of a module: that is the "
    'checkpoint of a model; a program is what torch.jit.trace(model, images).save("FILE") writes'
)


def require_content(files: Sequence[Path]) -> None:
    """Raises UserError for an empty file and for a pointer of Git LFS."""
    for file in files:
        if not file.stat().st_size:
            raise UserError(f"{file.name} is empty: build or copy it again")
        lfs.require_content(file, said=file.name)


def require_torch(path: Path, wanted: str) -> None:
    """Raises UserError unless an archive of torch is of the kind `wanted`: `TorchScript`, `lite`
    or `AOTInductor`."""
    found = _torch_kinds(path)
    if wanted not in found:
        raise UserError(f"{path.name} is no {_ARTICLE[wanted]}, but {found[0]}")


_ARTICLE = {
    "TorchScript": "TorchScript program",
    "lite": "program of the lite interpreter",
    "AOTInductor": "package of AOTInductor",
}


def _torch_kinds(path: Path) -> list[str]:
    """The kinds of a file of torch, first one that is a description for people."""
    try:
        with ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except BadZipFile:
        with path.open("rb") as opened:
            start = opened.read(4)
        if start.startswith(PICKLE):
            return [SAVED]
        if start == b"PK\x03\x04":
            return ["a part of an archive: it was cut off; copy it again"]
        return ["another kind of file (archives of torch are ZIP files)"]
    if any(name.startswith("data/aotinductor/") for name in names):
        return ["a package of AOTInductor (runtime aot_inductor)", "AOTInductor"]
    if any(name.startswith("models/") for name in names):
        return [EXPORTED]
    if "constants.pkl" not in names:
        return [SAVED if "data.pkl" in names else "another kind of archive"]
    if "bytecode.pkl" in names:
        return ["a program of the lite interpreter", "lite", "TorchScript"]
    return [
        "a TorchScript program without bytecode: save it with _save_for_lite_interpreter",
        "TorchScript",
    ]


def names_cuda(path: Path) -> bool:
    """Whether the code of a TorchScript program names a CUDA device, as a trace there does."""
    with ZipFile(path) as archive:
        return any(
            re.search(rb"[\"']cuda(:\d+)?[\"']", archive.read(name))
            for name in archive.namelist()
            if "/code/" in name and name.endswith(".py")
        )


def backends(path: Path) -> set[str]:
    """The names of backends in an ExecuTorch program. Raises UserError where it is none."""
    data = path.read_bytes()
    if data[4:6] != b"ET":
        raise UserError(f"{path.name} is no program of ExecuTorch: it has not the mark ET")
    return {name.decode() for name in re.findall(rb"\b[A-Z][A-Za-z]*Backend\b", data)}
