"""The files that another tool built: what they are when a run begins, their copy, their change.

A run works on a copy in its cache. So what was verified is what is timed, in every process, though
the pipeline that wrote the file writes it again meanwhile; and the file itself is never written,
moved or deleted. That it was written again is noticed, and fails its cases: their figures would be
those of a file that is gone.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from vitbench.build.files import private
from vitbench.errors import UserError
from vitbench.runtimes import Variant, foreign

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Original:
    """The files of a variant's artifact, itself first, with their digests, sizes and times."""

    variant: str
    files: tuple[Path, ...]
    digests: tuple[str, ...]
    stamps: tuple[Stamp, ...]

    @property
    def names(self) -> dict[str, str]:
        """The names, relative to the first file's folder, and the digests."""
        folder = self.files[0].parent
        names = [file.relative_to(folder).as_posix() for file in self.files]
        return dict(zip(names, self.digests, strict=True))

    def copy(self, path: Path) -> None:
        """Copies them: the first to `path`, the others beside it. Raises UserError where they are
        no longer what was digested."""
        for name, file, digest in zip(self.names, self.files, self.digests, strict=True):
            target = path.parent / name
            private(target.parent)
            shutil.copyfile(file, target)
            if _digest(target) != digest:
                raise self._changed(file)

    def require_unchanged(self) -> None:
        """Raises UserError where a file is gone or has another content than when the run began."""
        for file, digest, stamp in zip(self.files, self.digests, self.stamps, strict=True):
            try:
                same = _stamp(file) == stamp or _digest(file) == digest
            except OSError:
                same = False
            if not same:
                raise self._changed(file)

    def _changed(self, file: Path) -> UserError:
        return UserError(
            f"{self.variant}: {file.name} was changed or deleted while this run used it: run it "
            "again when the file is whole"
        )


def original(row: Variant) -> Original:
    """Reads all files of a variant's artifact. Raises UserError where one cannot be read."""
    try:
        files = tuple(foreign.files(row))
        stamps = tuple(map(_stamp, files))
        return Original(row.name, files, tuple(map(_digest, files)), stamps)
    except OSError as error:
        name = Path(error.filename or row.artifact or "").name
        raise UserError(f"{row.name}: {name} cannot be read: {error.strerror}") from error
    except UserError as error:
        raise UserError(f"{row.name}: {error}") from error


def _stamp(file: Path) -> Stamp:
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
