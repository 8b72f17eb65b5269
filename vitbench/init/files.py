"""Files that a command writes into a project: planned, written in one step; none is replaced."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitbench.errors import UserError


@dataclass(frozen=True)
class Planned:
    """A file, relative to `root`, and the bytes that it is to have. `append`: the file exists, and
    its bytes are the beginning of `content`; every other file that exists stays as it is. `command`
    is who writes, for sentences."""

    root: Path
    name: str
    content: bytes
    append: bool = False
    command: str = "vitbench init"

    @property
    def path(self) -> Path:
        return self.root / self.name

    @property
    def kept(self) -> bool:
        """Whether what is there stays."""
        return self.path.exists() and not self.append

    def require_room(self) -> None:
        """Raises UserError where something is in the way: a file in place of a folder, a folder in
        place of the file, or a link, through which nothing is written."""
        *folders, last = self._places()
        for folder in folders:
            if folder.is_symlink() and not self.kept:
                raise UserError(
                    f"{self._named(folder)} is a link to {os.readlink(folder)}: {self.command} "
                    "writes through no link: put a folder in its place"
                )
            if folder.exists() and not folder.is_dir():
                raise UserError(
                    f"{self._named(folder)} is a file, and {self.command} needs a folder of that "
                    "name: rename the file"
                )
        if last.is_dir():
            raise UserError(f"{self.name} is a folder, and should be a file: rename the folder")
        if self.append and not (last.stat().st_mode & 0o222 and os.access(last, os.W_OK)):
            raise UserError(
                f"{self.name} may not be written: make the file writable (chmod u+w {self.name})"
            )
        if last.is_symlink() and not self.kept:
            raise UserError(
                f"{self.name} is a link to {os.readlink(last)}: {self.command} writes through no "
                "link: put a file in its place"
            )

    def write(self) -> None:
        """Writes the file in one step, with its folder. Raises UserError where that fails, and then
        leaves what was there.

        A file with another owner than a new one would have, or with further hard links, is
        continued in place: another file would not have these.
        """
        scratch = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(".partial", f".{self.path.name}.", self.path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(self.content)
            if self.append:
                there, made = os.stat(self.path), os.stat(scratch)
                if there.st_nlink > 1 or (there.st_uid, there.st_gid) != (made.st_uid, made.st_gid):
                    with self.path.open("r+b") as file:
                        file.write(self.content)
                    return
                shutil.copymode(self.path, scratch)
            else:
                os.chmod(scratch, 0o666 & ~_umask())
            os.replace(scratch, self.path)
            scratch = None
        except OSError as error:
            raise UserError(
                f"{self.name}: {self.command} cannot write the file: {error.strerror}; correct "
                f"that, and run {self.command} again"
            ) from error
        finally:
            if scratch:
                Path(scratch).unlink(missing_ok=True)

    def _places(self) -> Iterator[Path]:
        """Each folder below `root` that the file lies in, and the file."""
        place = self.root
        for part in Path(self.name).parts:
            place /= part
            yield place

    def _named(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found
