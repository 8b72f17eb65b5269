"""Rows on disk: what is measured of a sample takes no memory that grows with it."""

import shutil
import tempfile
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.build.files import private
from vitbench.errors import UserError

IN_MEMORY_BYTES = 2**24
"""Fewer bytes of rows than this are no file's business."""
SPARE_BYTES = 2**30  # that stay free on a disk


def nameless(folder: Path | None, size: int) -> FileIO | None:
    """A file that no name leads to, with room for so many bytes: on the disk of `folder`, or where
    temporary files are. It is gone with its object. None where neither disk has room."""
    for place in (folder, Path(tempfile.gettempdir())):
        with suppress(OSError):
            if place is not None:
                private(place)
                if shutil.disk_usage(place).free >= size + SPARE_BYTES:
                    return tempfile.TemporaryFile(dir=place, buffering=0)
    return None


class Spool:
    """Rows of outputs, (n, C) each time, one after the other. Beyond `in_memory_bytes` they lie in
    a nameless file on the disk of `folder`. Raises UserError where no disk has room for them."""

    def __init__(self, folder: Path | None = None, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._folder, self._most = folder, in_memory_bytes
        self._blocks: list[NDArray[Any]] = []
        self._file: FileIO | None = None
        self._bytes = self._count = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Raises ValueError for rows of another shape or type than the first ones."""
        first = self._blocks[0] if self._blocks else rows
        if (rows.shape[1:], rows.dtype) != (first.shape[1:], first.dtype):
            raise ValueError(f"rows {rows.shape[1:]} after rows {first.shape[1:]}")
        self._count, self._bytes = self._count + len(rows), self._bytes + rows.nbytes
        if self._file is not None:
            self._write(self._file, rows)
            return
        self._blocks.append(rows)
        if self._bytes > self._most:
            self._file = nameless(self._folder, self._bytes)
            if self._file is None:
                raise UserError(self._full("no space is left"))
            for block in self._blocks:
                self._write(self._file, block)
            self._blocks = [first[:0].copy()]

    def rows(self) -> NDArray[Any]:
        """All rows, (N, C); of a file they are mapped, and only read."""
        if self._file is None:
            return np.concatenate(self._blocks)
        shape = (self._count, *self._blocks[0].shape[1:])
        return np.asarray(np.memmap(self._file, self._blocks[0].dtype, "r", shape=shape))

    def _write(self, file: FileIO, rows: NDArray[Any]) -> None:
        left = np.ascontiguousarray(rows).data.cast("B")
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            raise UserError(self._full(error.strerror or str(error))) from error

    def _full(self, reason: str) -> str:
        where = self._folder or tempfile.gettempdir()
        return f"answers cannot be kept in {where}: {reason}; make room, or choose another --cache"
