"""The submodules of a work tree that git has just added: git leaves their folders empty."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitbench.duet.base.revision import git
from vitbench.errors import UserError

MODULES = ".gitmodules"
NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
_PATH = re.compile(r"submodule\..+\.path")


@dataclass(frozen=True)
class Submodule:
    """`path` relative to the tree; `commit` is the one that the tree names."""

    name: str
    path: Path
    commit: str


def fill(base: Path, head: Path) -> tuple[str, ...]:
    """Checks out the submodules of base's tree, and theirs, as base's commits name them. Notes on
    those that stay empty, since head's repository has nothing of them.

    The commits come from the clones in head's repository, without a network; where a clone lacks
    one, git is asked for it. Raises UserError with git's own reason where that fails.
    """
    if not (base / MODULES).is_file():
        return ()
    return tuple(_fill(base, head, head / git(head, "rev-parse", "--git-common-dir")))


def _fill(base: Path, head: Path, home: Path) -> Iterator[str]:
    """As `fill`; `home` is the folder in which git keeps head's repository."""
    known = {each.path for each in _named(head)}
    for each in _named(base):
        clone = _clone(head / each.path, home / "modules" / each.name)
        if clone is not None:
            tree = base / each.path
            _check_out(base, tree, each, clone)
            yield from _fill(tree, head / each.path, clone)
        elif each.path not in known:  # else it is empty in head, too
            yield f"the submodule {each.path} of base stays empty: there is no clone of it here"


def _named(tree: Path) -> list[Submodule]:
    """The submodules that a tree's .gitmodules names and its commit has."""
    if not (tree / MODULES).is_file():
        return []
    listed = git(tree, "config", "-z", "--file", MODULES, "--list")
    rows = (row.partition("\n") for row in listed.split("\0"))
    found = []
    for key, path in ((key, path) for key, _, path in rows if _PATH.fullmatch(key)):
        kind, commit = (git(tree, "ls-tree", "HEAD", "--", path).split() or ["", "", ""])[1:3]
        if kind == "commit":
            found.append(Submodule(key[len("submodule.") : -len(".path")], Path(path), commit))
    return found


def _clone(tree: Path, home: Path) -> Path | None:
    """The folder in which git keeps the clone of a submodule of head; None where there is none."""
    if (tree / ".git").exists():
        return Path(git(tree, "rev-parse", "--absolute-git-dir"))
    return home if (home / "HEAD").is_file() else None


def _check_out(base: Path, tree: Path, submodule: Submodule, clone: Path) -> None:
    """Borrows the objects of the clone, and writes nothing into it."""
    try:
        git(base, "clone", "-q", "--shared", "--no-checkout", "--", str(clone), str(tree))
        git(tree, *NO_HOOKS, "checkout", "-q", "--detach", submodule.commit)
        return
    except UserError as error:
        why = str(error)
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True, exist_ok=True)
    try:
        git(base, "submodule", "update", "--init", "--", str(submodule.path))
    except UserError as error:
        raise UserError(
            f"base needs the submodule {submodule.path} at {submodule.commit[:10]}, which its "
            f"clone here does not give ({why}): {error}"
        ) from error
