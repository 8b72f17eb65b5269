"""A digest of the files of a repository that a project's code may read.

The source that a factory or a transform stands on is digested by its imports. What that code reads
elsewhere, such as a configuration by a relative path, is known to nobody before it runs: so what
such code builds for one state of a tree is no artifact of another state.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from vitbench.duet.revision import git
from vitbench.errors import UserError

_PROSE = {".md", ".rst"}
_NEVER_READ = {"docs", "doc", "tests", "test", "reports", ".github", ".gitlab", "pyproject.toml"}


def of_commit(root: Path, commit: str) -> str:
    """SHA-256 of the names and contents of a commit. Raises UserError where git fails."""
    rows = _rows(git(root, "ls-tree", "-r", "-z", "--full-tree", commit))
    return _digest({name: f"{words[0]} {words[2]}" for words, name in rows})


def of_head(root: Path) -> str:
    """As `of_commit`, of the files as they lie in the work tree now; "" where git fails. What git
    does not know counts by size and time, unless it is ignored."""
    with suppress(UserError, OSError):
        top = Path(git(root, "rev-parse", "--show-toplevel"))
        rows = _rows(git(top, "ls-files", "-s", "-z"))
        found = {name: f"{words[0]} {words[1]}" for words, name in rows}
        for name in _names(git(top, "diff", "--name-only", "-z", "HEAD")):
            path = top / name
            found.pop(name, None)
            if path.is_file():
                mode = "100755" if path.stat().st_mode & 0o100 else "100644"
                found[name] = f"{mode} {git(top, 'hash-object', '--', name)}"
        for name in _names(git(top, "ls-files", "-z", "--others", "--exclude-standard")):
            about = (top / name).lstat()
            found[name] = f"{about.st_size} {about.st_mtime_ns}"
        return _digest(found)
    return ""


def _rows(listed: str) -> Iterator[tuple[list[str], str]]:
    for row in _names(listed):
        about, _, name = row.partition("\t")
        yield about.split(), name


def _names(listed: str) -> list[str]:
    return [name for name in listed.split("\0") if name]


def _digest(found: dict[str, str]) -> str:
    rows = [f"{name}\0{found[name]}\n" for name in sorted(found) if _may_be_read(name)]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def _may_be_read(name: str) -> bool:
    path = PurePosixPath(name)
    made = path.suffix == ".pyc"
    return path.suffix not in _PROSE and not made and not set(path.parts) & _NEVER_READ
