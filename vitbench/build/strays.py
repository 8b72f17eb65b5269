"""What code of one work tree imports or reads from the other: with it, both sides run one code.

The import roots of an own tree come first on Python's path. An installation of the project that
answers before the path does (an editable one may), a `.pth` file, or a package that the own tree
does not have can lead into the user's tree all the same; so can an environment variable or an
absolute path.
"""

import filecmp
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from vitbench.errors import Incomparable, some
from vitbench.place import PACKAGE

_LISTS = ("os.listdir", "os.scandir")
_INSTALLED = {"site-packages", "dist-packages"}  # of whatever environment


class Strays:
    """Of this process, from now on. `trees` are the roots of the work trees: the `own` one of its
    side and the `other`, the user's; None where the side has the user's own tree.

    With `reads`, the files that Python opens, and the folders whose names it reads, are recorded.
    That is for a process that times nothing: the recorder stays in it.
    """

    def __init__(self, trees: Mapping[str, str] | None, reads: bool = False) -> None:
        self._trees = {name: os.path.realpath(path) for name, path in (trees or {}).items()}
        self._before = frozenset(sys.modules)
        self._opened = set[str]()
        if reads and self._trees:
            sys.addaudithook(self._hear)

    def refuse(self, architecture: Mapping[str, Any], transform: str | None) -> None:
        """Raises Incomparable where a case runs modules of the other tree, or reads other files of
        it than its own tree has, as far as is known. The factory of a model's `architecture` and
        the `transform` of a recipe are what the case calls of the project's."""
        called = (architecture.get("factory"), transform)
        if found := self.found([each for each in called if each]):
            raise Incomparable(
                f"the code of the commit imports {some(found)} from your own work tree, so that "
                "both sides would run that: the commit does not have it, or the project is "
                "installed here in a way that goes before the commit's import roots (uninstall "
                "it, or install it without -e)"
            )
        names = {within for file in [*self._opened] if (within := self._within(file))}
        if self._trees:
            refuse_reads(self._trees["own"], self._trees["other"], names)

    def found(self, references: Sequence[str]) -> list[str]:
        """The modules that lie in the other tree, each with its file. `references` are
        `package.module:function`, what the case calls of the project's; a case that calls nothing
        of it answers for what was imported since alone."""
        if not self._trees:
            return []
        names = [each.partition(":")[0] for each in references]
        imported = dict(_files(() if references else self._before)) | dict(_sought(names))
        return [
            f"{name} ({within})"
            for name, file in sorted(imported.items())
            if (within := self._within(file))
        ]

    def _within(self, file: str) -> str:
        """The name of a resolved file of the project in the other tree; "" of any other file."""
        other = self._trees["other"]
        if not _below(file, [other]) or _below(file, self._apart):
            return ""
        within = Path(file).relative_to(other)
        return "" if {"__pycache__", *_INSTALLED} & set(within.parts) else within.as_posix()

    @cached_property
    def _apart(self) -> list[str]:
        return [self._trees["own"], *_environment(self._trees["other"])]

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if event in _LISTS and sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):
            return  # the import system looks for names that it then opens
        if event in ("open", *_LISTS) and isinstance(given[0], str | bytes | os.PathLike):
            with suppress(OSError, ValueError, NotImplementedError):  # it is theirs to say
                path = os.fsdecode(given[0])
                if path.endswith(".pyc"):  # it stands for its source
                    path = importlib.util.source_from_cache(path)
                self._opened.add(os.path.realpath(path))


def refuse_reads(own: Path | str, other: Path | str, names: Iterable[str]) -> None:
    """Raises Incomparable where there are `names` that the code of a commit, whose tree is `own`,
    reads from the user's tree, `other`, and that the commit has otherwise: files of other contents,
    and folders of other names. What the commit does not have, both share."""
    found = [
        name for name in sorted(names) if _differ(*(os.path.join(t, name) for t in (own, other)))
    ]
    if found:
        raise Incomparable(
            f"the code of the commit reads {some(found)} from your own work tree, and the "
            "commit has other contents there: an environment variable, an absolute path or a link "
            "leads there. Let the code find its files beside its own source file or in the "
            "working directory"
        )


def _differ(own: str, other: str) -> bool:
    if not os.path.lexists(own):
        return False
    if os.path.isdir(own) and os.path.isdir(other):
        return _names(own) != _names(other)
    if os.path.isfile(own) and os.path.isfile(other):
        return not (os.path.samefile(own, other) or filecmp.cmp(own, other, shallow=False))
    return os.path.exists(own) or os.path.exists(other)


def _names(folder: str) -> set[str]:
    """What lies in a folder, without what git and Python keep there."""
    return {*os.listdir(folder)} - {".git", "__pycache__"}


def _files(without: Collection[str]) -> Iterator[tuple[str, str]]:
    """The names and files of imported modules."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in without and isinstance(file, str):
            yield name, os.path.realpath(file)


def _sought(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The names and files of modules that another process imports, as of a transform."""
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):  # whoever imports it says so
            continue
        if spec is not None and spec.origin is not None:
            yield name, os.path.realpath(spec.origin)


def _environment(tree: str) -> list[str]:
    """Where Python, what is installed and vitbench lie, as far as a project's tree holds them. An
    environment that holds the tree says nothing of it."""
    paths = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(PACKAGE)}
    places = (os.path.realpath(each) for each in paths)
    return [each for each in places if each != tree and _below(each, [tree])]


def _below(file: str, folders: Sequence[str]) -> bool:
    return any(Path(file).is_relative_to(each) for each in folders)
