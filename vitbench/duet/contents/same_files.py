"""Whether files of two trees are the same: their contents, and the links on the way to them."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vitbench.duet.contents.watch import SKIPPED

LIBRARY = b"\x7fELF"  # an executable file or a library


@dataclass(frozen=True)
class Tree:
    """The folder of one side."""

    top: Path

    def path(self, name: str) -> str:
        return os.path.join(self.top, name)

    def state(self, name: str) -> str:
        """What a name is: the links on the way, then what they lead to; of a file its SHA-256, and
        whether its owner may execute it."""
        links = "".join(self.link(each) for each in _prefixes(name))
        executable = self.is_file(name) and os.stat(self.path(name)).st_mode & stat.S_IXUSR
        return links + self.contents(name) + (" executable" if executable else "")

    def contents(self, name: str) -> str:
        """What a name leads to; of a file its SHA-256."""
        path = self.path(name)
        if os.path.isfile(path):
            with open(path, "rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest()
        if os.path.isdir(path):
            return "folder"
        return "special" if os.path.exists(path) else "missing"

    def link(self, name: str) -> str:
        """Where a name leads that is a symbolic link, as text; else nothing."""
        path = self.path(name)
        if not os.path.islink(path):
            return ""
        text, top, leads = os.readlink(path), str(self.top), os.path.realpath(path)
        inside = f"{leads}/".startswith((f"{top}/", f"{os.path.realpath(top)}/"))
        return f"{name} -> {text.removeprefix(f'{top}/')} {'' if inside else leads}\n"

    def listing(self, name: str) -> list[tuple[str, bool]]:
        """The names in a folder, each with whether it is a folder; none where there is no such."""
        path = self.path(name)
        if not os.path.isdir(path):
            return []
        found = [(each.name, each.is_dir()) for each in os.scandir(path)]
        return sorted(each for each in found if each[0] not in SKIPPED)

    def is_file(self, name: str) -> bool:
        return os.path.isfile(self.path(name))

    def is_library(self, name: str) -> bool:
        """Whether a name is of native code."""
        path = self.path(name)
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as opened:
            return opened.read(len(LIBRARY)) == LIBRARY


def differing(base: Tree, head: Tree, names: Iterable[str], taken: Iterable[str]) -> Iterator[str]:
    """The names that are not the same in both trees. What base has not and took from head's tree,
    `taken`, is one file."""
    both = set(taken)
    for name in sorted(names):
        here, there = base.path(name), head.path(name)
        if name in both and not os.path.lexists(here):
            continue
        if os.path.exists(here) and os.path.exists(there) and os.path.samefile(here, there):
            continue
        if base.state(name) != head.state(name):
            yield name


def repository_of(folder: Path) -> Path:
    """The root of the work tree that a folder lies in: code may read beside its project. The folder
    itself where it lies in none."""
    found = (each for each in (folder, *folder.parents) if (each / ".git").exists())
    return next(found, folder)


def other_links(base: Tree, head: Tree, links: Iterable[str]) -> Iterator[str]:
    """The symbolic links of both trees that lead elsewhere: native code may have followed one."""
    for name in sorted(links):
        then, now = base.link(name), head.link(name)
        if then and now and then != now:
            yield name


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
