"""Modules that base imported from head's tree: with them, both sides run head's code.

Base's import roots come first on Python's path. An installation of the project that answers before
the path does (an editable one may), a `.pth` file, or a package that base does not have can lead
into head's tree all the same.
"""

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from vitbench.errors import Incomparable
from vitbench.place import PACKAGE
from vitbench.runtimes import Placement

_INSTALLED = {"site-packages", "dist-packages"}  # of whatever environment


class Strays:
    """Of the process of an arm, from now on. `trees` are the roots of the work trees: the arm's
    `own` and the `other`; None where the sides have one tree."""

    def __init__(self, trees: Mapping[str, str] | None) -> None:
        self._trees = trees
        self._before = frozenset(sys.modules)

    def refuse(self, placement: Placement) -> None:
        """Raises Incomparable where a case runs modules of the other tree, as far as is known."""
        called = (placement.architecture.get("factory"), placement.variant.transform)
        if found := self.found([each for each in called if each]):
            raise Incomparable(_sentence(found))

    def found(self, references: Sequence[str]) -> list[str]:
        """The modules that lie in the other tree, each with its file. `references` are
        `package.module:function`, what the case calls of the project's; a case that calls nothing
        of it answers for what was imported since alone."""
        if self._trees is None:
            return []
        names = [each.partition(":")[0] for each in references]
        imported = dict(_files(() if references else self._before)) | dict(_sought(names))
        own, other = (os.path.realpath(self._trees[each]) for each in ("own", "other"))
        apart = [own, *_environment(other)]
        return [
            f"{name} ({Path(file).relative_to(other).as_posix()})"
            for name, file in sorted(imported.items())
            if _below(file, [other])
            and not _below(file, apart)
            and not set(Path(file).relative_to(other).parts) & _INSTALLED
        ]


def _sentence(strays: Sequence[str]) -> str:
    """Why a case of base with such modules is not compared."""
    more = f" and {len(strays) - 3} more" if len(strays) > 3 else ""
    return (
        f"base imports {', '.join(strays[:3])}{more} from head's tree, so that it would run head's "
        "code: base does not have it, or the project is installed here in a way that goes before "
        "base's import roots (uninstall it, or install it without -e)"
    )


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
