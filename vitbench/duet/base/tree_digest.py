"""A digest of the files of a repository that a project's code may read.

The source that a factory or a transform stands on is digested by its imports. What that code reads
elsewhere, such as a configuration by a relative path, is known to nobody before it runs: so what
such code builds for one state of a tree is no artifact of another state.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from vitbench.duet.base.own_paths import below
from vitbench.duet.base.revision import SOURCES, git, names, top_of
from vitbench.errors import UserError
from vitbench.team_sources import DATA, LARGE

TOGETHER = 16 * LARGE
"""So many bytes of files that git does not track are read."""
_SUBMODULE = "160000"
_MADE = "__pycache__"


def of_tree(project: Path, roots: Iterable[Path] = ()) -> str:
    """SHA-256 of the names and contents of the files in the work tree that a project lies in, as
    they are now; "" where that is no work tree of git. `roots` are the project's import roots.

    Every file counts that git tracks, whatever git is told to overlook; so do the work trees of
    submodules, and what git neither tracks nor ignores, but for the project's own `reports`. Of
    what git ignores, files below an import root count; where that is the project's own folder or
    one above it, what lies there is code only in part: folders with tracked Python, and data.
    """
    try:
        top = top_of(project)
    except UserError:
        return ""
    found = _tracked(top)
    place = below(project.resolve(), top) or Path()
    free = [
        name
        for name in names(top, "ls-files", "-z", "--others", "--exclude-standard")
        if not Path(name).is_relative_to(place / "reports")
    ]
    within = {each for root in roots if (each := below(root.resolve(), top)) is not None}
    ignored = (name for each in sorted(within) for name in _ignored(top, each, place, found))
    return _digest(found | _untracked(top, {*free, *ignored}))


def edited(project: Path, before: Mapping[str, str]) -> list[str]:
    """The files that are others now than when `tracked_files` answered `before`."""
    now = tracked_files(project)
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def tracked_files(project: Path) -> dict[str, str]:
    """What each file that git tracks is in the work tree that a project lies in, by its name, but
    for the project's own `reports`; {} where that is no work tree of git."""
    try:
        top = top_of(project)
    except UserError:
        return {}
    reports = (below(project.resolve(), top) or Path()) / "reports"
    found = _tracked(top)
    return {name: is_ for name, is_ in found.items() if not Path(name).is_relative_to(reports)}


def _tracked(top: Path) -> dict[str, str]:
    """By its name, what each file of the index and each submodule is in the work tree."""
    rows = list(_rows(names(top, "ls-files", "-s", "-z")))
    found = {name: f"{words[0]} {words[1]}" for words, name in rows}
    for name in (*_differing(top), *_unwatched(top)):
        found.pop(name, None)
        if state := _changed(top, name):
            found[name] = state
    for words, name in rows:
        if words[0] == _SUBMODULE:
            found[name] = f"{_SUBMODULE} {_nested(top / name)}"
    return found


def overlooked(top: Path) -> list[str]:
    """The files that git is told to overlook, and that are others than in the index."""
    here = [name for name in _unwatched(top) if os.path.lexists(top / name)]
    if not here:
        return []
    rows = _rows(names(top, "ls-files", "-s", "-z"))
    index = {name: f"{words[0]} {words[1]}" for words, name in rows}
    return [name for name in here if _changed(top, name) != index[name]]


def _unwatched(top: Path) -> list[str]:
    """The files that git does not look at: skip-worktree, assume-unchanged."""
    rows = names(top, "ls-files", "-v", "-z")
    return [row[2:] for row in rows if row[0] == "S" or row[0].islower()]


def _differing(top: Path) -> list[str]:
    """The files that are others than in the index. Without a filter that they need, those that were
    touched."""
    how = ("--name-only", "--no-renames", "--ignore-submodules=all", "-z")
    try:
        return names(top, "diff", *how)
    except UserError:
        return names(top, "diff-files", *how)


def _changed(top: Path, name: str) -> str:
    """What git would say of a file if it were added; "" for one that is not there."""
    path = top / name
    if path.is_symlink():
        return f"120000 {os.readlink(path)}"
    if not path.is_file():
        return ""
    mode = "100755" if path.stat().st_mode & 0o100 else "100644"
    try:
        return f"{mode} {git(top, 'hash-object', '--', name)}"
    except UserError:  # as where a filter is not installed
        return f"{mode} {_state(path, read=True)}"


def _nested(folder: Path) -> str:
    """Of the work tree of another repository; "" where none is there."""
    with suppress(UserError, OSError):
        if (folder / ".git").exists():
            free = names(folder, "ls-files", "-z", "--others", "--exclude-standard")
            return _digest(_tracked(folder) | _untracked(folder, free))
    return ""


def _ignored(top: Path, root: Path, place: Path, tracked: Iterable[str]) -> Iterator[str]:
    """What git ignores below an import root and a project's code may read; `place` is the project's
    own folder."""
    ignored = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard")
    listed = names(top, *ignored, "--", str(root))
    inner = [PurePosixPath(name).relative_to(root) for name in tracked if _lies_in(name, root)]
    code = {path.parts[0] for path in inner if path.suffix == ".py" and len(path.parts) > 1}
    for name in listed:
        path = PurePosixPath(name).relative_to(root)
        beside = len(path.parts) == 1 and path.suffix in DATA | SOURCES
        if beside or path.parts[0] in code or not place.is_relative_to(root):
            yield name


def _lies_in(name: str, root: Path) -> bool:
    return PurePosixPath(name).is_relative_to(root)


def _untracked(top: Path, found: Iterable[str]) -> dict[str, str]:
    """By its name, what a file is that git does not track: by contents, and by size and time where
    it is larger than LARGE, or all others are more than TOGETHER."""
    rows = [name for name in sorted(found) if _MADE not in PurePosixPath(name).parts]
    sizes = {name: _size(top / name) for name in rows}
    read = sum(size for size in sizes.values() if size <= LARGE) <= TOGETHER
    return {
        name: _nested(top / name)
        if name.endswith("/")
        else _state(top / name, read and size <= LARGE)
        for name, size in sizes.items()
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _state(path: Path, read: bool) -> str:
    try:
        if not path.is_file():
            return f"link {os.readlink(path)}"
        found = path.stat()
        mode = "x" if found.st_mode & 0o100 else "-"
        return f"{mode} {_contents(path) if read else (found.st_size, found.st_mtime_ns)}"
    except OSError:  # it has gone, or is no file
        return ""


def _contents(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(listed: Iterable[str]) -> Iterator[tuple[list[str], str]]:
    for row in listed:
        about, _, name = row.partition("\t")
        yield about.split(), name


def _digest(found: Mapping[str, str]) -> str:
    rows = "".join(f"{name}\0{found[name]}\n" for name in sorted(found))
    return hashlib.sha256(rows.encode(errors="surrogateescape")).hexdigest()
