"""Which file base takes where its tree does not have the file itself: what git does not track, and
what Git LFS or DVC keep elsewhere."""

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.duet.base import dvc
from vitbench.duet.base.revision import git, names
from vitbench.errors import UserError, some
from vitbench.lfs import Pointer, pointer_of

ARTIFACT = "artifact"
Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass
class Untracked:
    """`head` and `base` are the roots of the two work trees of one repository, resolved.

    Of what base's commit names exactly, by the digest in a pointer of Git LFS or in a file of DVC,
    that very file is taken, from head's tree or from the store on this machine. Else head's file
    serves both sides and goes into `from_head`; but an artifact is what is compared, so head's is
    never base's. `lacking` says, by path, why base's file is known to be another than head's, and
    is not here.

    With `copies`, what base takes lies in its tree as a copy, so that a command there may read and
    write the file: `lent` are copies of what is head's, which is head's still if nobody wrote it.
    """

    head: Path
    base: Path
    copies: bool = False
    lent: dict[Path, Stamp] = field(default_factory=dict)
    from_head: dict[Path, str] = field(default_factory=dict)
    lacking: dict[Path, str] = field(default_factory=dict)

    def take(self, within: Path, what: str) -> Path:
        """The file or folder for a path of the repository. `what` is there, as of a `Find`.

        It may exist nowhere: whoever asks may only want to know whether it does.
        """
        own = self.base / within
        if own.exists() and self._is_lent(within):
            self.from_head[within] = what
            return self.head / within
        if own.is_dir():
            return self._complete(within, what)
        found = self._unpointed(within) if own.exists() else self._elsewhere(within, what)
        if what == ARTIFACT and own.parent.is_dir():
            self._bring_beside(within)
        return found

    def share(self, within: Path, what: str) -> None:
        """Head's file or folder serves both sides. If git does not track it, a note says so."""
        if (self.head / within).exists() and not (self.base / within).exists():
            self.from_head[within] = what

    def notes(self) -> tuple[str, ...]:
        """What a person should know: at most one sentence."""
        if not self.from_head:
            return ()
        names = [f"{path.as_posix()} ({what})" for path, what in self.from_head.items()]
        return (
            f"git does not track what both sides take from head: {some(names)}. A change of it is "
            "not compared",
        )

    def _elsewhere(self, within: Path, what: str) -> Path:
        """For a path that base's tree lacks."""
        theirs, own = self.head / within, self.base / within
        md5 = dvc.recorded(self.base, within, self.head)
        if md5 and md5.endswith(dvc.FOLDER):
            same = theirs.exists() and md5 == dvc.recorded(self.head, within, self.head)
            if same:
                return self._brought(theirs, own)
        elif md5:
            if theirs.is_file() and dvc.md5_of(theirs) == md5:
                return self._brought(theirs, own)
            if found := dvc.cached(self.head, md5):
                return _copied(found, own)
        if md5:
            self.lacking[own] = (
                f"base's {within.as_posix()} (by DVC of MD5 {md5[:12]}) is neither head's nor in "
                "DVC's cache: dvc fetch --all-commits brings it"
            )
        if what == ARTIFACT or not theirs.exists():
            return own
        if md5:
            self.lacking[theirs.resolve()] = self.lacking[own]
            return theirs
        self.from_head[within] = what
        if self.copies:
            self.lent[within] = _stamp(_copied(theirs, own))
        return theirs

    def _unpointed(self, within: Path) -> Path:
        """For a file of base's tree, which may be a pointer of Git LFS."""
        own = self.base / within
        found = pointer_of(own)
        if found is None:
            return own
        theirs = self.head / within
        if theirs.is_file() and _sha256(theirs) == found.sha256:
            return self._brought(theirs, own)
        if stored := self._stored(found):
            return _copied(stored, own)
        self.lacking[own.resolve()] = (
            f"base's {within.as_posix()} is a pointer of Git LFS, and the file is neither head's "
            "nor in the store of Git LFS: git lfs fetch --all brings it"
        )
        return own

    def _complete(self, within: Path, what: str) -> Path:
        """For a folder of base's tree, which lacks what git does not track in it."""
        own, theirs = self.base / within, self.head / within
        for file in sorted(path for path in own.rglob("*") if path.is_file()):
            if self._unpointed(file.relative_to(self.base)) in self.lacking:
                self.lacking[own.resolve()] = self.lacking[file.resolve()]
        for name in self._others(within) if theirs.is_dir() else ():
            inner = self.base / name
            if self._is_lent(name):
                self.from_head[name] = what
            if inner.exists():
                continue
            found = self._elsewhere(name, what)
            if found != inner and not inner.exists():
                self._brought(found, inner)
            if why := self.lacking.get(inner):
                self.lacking[own.resolve()] = why
        return own

    def _bring_beside(self, artifact: Path) -> None:
        """What lies beside an artifact in base's tree, as its weights may, where Git LFS or DVC
        keep it elsewhere. Whether all of it is there, the reader of its format says."""
        folder = artifact.parent
        for path in sorted((self.base / folder).iterdir()):
            name = folder / path.name
            if path.is_file() and pointer_of(path):
                self._unpointed(name)
            elif path.suffix == ".dvc" and not (self.base / name.with_suffix("")).exists():
                self._elsewhere(name.with_suffix(""), ARTIFACT)

    def _others(self, within: Path) -> list[Path]:
        """The files below a folder of head that git does not track, ignored or not."""
        try:
            listed = names(self.head, "ls-files", "-z", "--others", "--", str(within))
        except UserError:
            return []
        return [Path(name) for name in listed]

    def _is_lent(self, within: Path) -> bool:
        """Whether base's tree has a copy of head's file that nobody wrote since."""
        return within in self.lent and self.lent[within] == _stamp(self.base / within)

    def _brought(self, source: Path, target: Path) -> Path:
        return (_copied if self.copies else _linked)(source, target)

    def _stored(self, pointer: Pointer) -> Path | None:
        """The file that a pointer stands for, in the store of Git LFS on this machine."""
        try:
            folder = Path(git(self.head, "rev-parse", "--git-common-dir"))
        except UserError:
            return None
        name = pointer.sha256
        path = self.head / folder / "lfs" / "objects" / name[:2] / name[2:4] / name
        return path if name and path.is_file() else None


def _linked(source: Path, target: Path) -> Path:
    """A link in place of a file that is not there, or is a pointer."""
    _make_room(target)
    target.symlink_to(source)
    return target


def _make_room(target: Path) -> None:
    """Raises UserError where a folder of head is a file in base."""
    try:
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"base has no room for {target} ({error.strerror}): a folder of head is a file there"
        ) from error


def _copied(source: Path, target: Path) -> Path:
    """A copy: the store of another tool keeps its files under digests, without their names."""
    _make_room(target)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    return target


def _stamp(path: Path) -> Stamp:
    """What changes when somebody writes a file, or one of a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = [(str(each), each.stat()) for each in files if each.is_file()]
    return tuple((name, each.st_ino, each.st_size, each.st_mtime_ns) for name, each in found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
