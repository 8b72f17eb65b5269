"""Whether base and head declare other packages: both sides run with those that are installed.

What decides which packages are installed is compared, not the bytes of files: a comment, the
order of a list, or the version of the project itself declares nothing.
"""

import configparser
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from vitbench.duet.base.dependency_files import FILES, FOLDER, Read, reader, requirement_lines
from vitbench.errors import some


def changed(base: Path, head: Path) -> list[str]:
    """What declares packages otherwise in head's tree than in base's: `requirements.txt`, or
    `pyproject.toml (project.dependencies)`. [] where both declare the same.

    Looked at are both folders, and those above them up to the root of a git repository: a lock may
    lie there. Files that `-r` and `-c` of a requirements file name are followed.
    """
    found = list[str]()
    for then, now, up in _folders(base, head):
        names = {name for folder in (then, now) for name in _names(folder)}
        for name in sorted(names):
            parts = _differing(then / name, now / name, reader(name))
            if parts is not None:
                found.append(f"{up}{name}" + (f" ({', '.join(parts)})" if parts else ""))
    return found


def packages_note(base: Path, head: Path) -> tuple[str, ...]:
    """A sentence where base declares other packages than head, with which both sides run."""
    found = changed(base, head)
    if not found:
        return ()
    return (
        f"base declares other packages than head ({some(found)}), and both "
        "sides run with the packages that are installed here: --against=ENVIRONMENT compares "
        "packages",
    )


def _folders(base: Path, head: Path) -> Iterator[tuple[Path, Path, str]]:
    """The folders of both sides that belong together, and the way up to them."""
    up = ""
    while True:
        yield base, head, up
        if (head / ".git").exists() or (base / ".git").exists() or head == head.parent:
            return
        above = any((each / ".git").exists() for each in head.parents)
        if not above:
            return
        base, head, up = base.parent, head.parent, f"../{up}"


def _names(folder: Path) -> Iterator[str]:
    """The files of a folder that declare packages, relative to it."""
    for place in ("", "requirements/"):
        inner = folder / place
        if not inner.is_dir():
            continue
        for path in inner.iterdir():
            if any(fnmatch(path.name, glob) for glob, _ in (FOLDER if place else FILES)):
                yield f"{place}{path.name}"
                yield from _included(folder, Path(place + path.name), set())


def _included(folder: Path, name: Path, seen: set[Path]) -> Iterator[str]:
    """The files that a requirements file names by `-r` and `-c`."""
    if name.suffix not in (".txt", ".in") or name in seen:
        return
    seen.add(name)
    for line in requirement_lines(_text(folder / name) or ""):
        words = line.replace("=", " ", 1).split() if line.startswith("-") else [line]
        if words[0] in ("-r", "-c", "--requirement", "--constraint") and len(words) > 1:
            inner = name.parent / words[1]
            if (folder / inner).is_file() and not inner.is_absolute():
                yield inner.as_posix()
                yield from _included(folder, inner, seen)


def _differing(base: Path, head: Path, read: Read) -> list[str] | None:
    """The parts that differ, [] where a file has no parts by name; None where nothing differs."""
    then, now = _text(base), _text(head)
    if then == now:
        return None
    try:
        old, new = (read(text) if text is not None else {} for text in (then, now))
    except (ValueError, SyntaxError, RecursionError, configparser.Error):  # what is no such file
        return []
    parts = [part for part in sorted({*old, *new}) if old.get(part) != new.get(part)]
    return [part for part in parts if part] if parts else None


def _text(path: Path) -> str | None:
    """The text of a file; None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
