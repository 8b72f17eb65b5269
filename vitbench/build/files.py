"""Files and folders of the cache: digests, private folders, deletion."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def private(folder: Path) -> None:
    """Make a folder and its parents, each only for this user: torch runs what lies in them."""
    if not folder.is_dir():
        if folder.parent != folder:
            private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def remove(path: Path) -> None:
    """Delete a folder or a file, whatever it is; a link, not what it names."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def save_rows(path: Path, count: int, blocks: Iterable[NDArray[Any]]) -> None:
    """Write `count` rows, which come in blocks, as a file of NumPy. Raises ValueError where they
    are not so many, or of other shapes than the first, or objects."""
    with path.open("wb") as file:
        written, first = 0, None
        for block in blocks:
            if first is None:
                if block.dtype.hasobject:
                    raise ValueError("rows of objects cannot be saved")
                first = block[:0]
                about = {"fortran_order": False, "shape": (count, *block.shape[1:])}
                descr = np.lib.format.dtype_to_descr(block.dtype)
                np.lib.format.write_array_header_1_0(file, {"descr": descr, **about})
            if (block.shape[1:], block.dtype) != (first.shape[1:], first.dtype):
                raise ValueError(f"rows {block.shape[1:]} after rows {first.shape[1:]}")
            file.write(np.ascontiguousarray(block).data)
            written += len(block)
        if written != count:
            raise ValueError(f"{written} rows were made, not {count}")


OWN_NAMES = "artifact.files"
"""The folder of an entry whose files keep their own names: they name each other."""


def beside(path: Path) -> list[Path]:
    """A file and those that belong to it, itself first: all in OWN_NAMES, or else those beside it
    under the same stem."""
    if folder := next((each for each in path.parents if each.name == OWN_NAMES), None):
        return [path, *sorted({f for f in folder.rglob("*") if f.is_file()} - {path})]
    return [path, *sorted(set(path.parent.glob(f"{path.stem}.*")) - {path})]


def sha256(path: Path) -> str:
    """The digest of a file; of several that belong together, that of their digests in a row."""
    digests = []
    for each in beside(path):
        with each.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
