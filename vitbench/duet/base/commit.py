"""A commit of the repository that holds a project, as a side of a duet."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vitbench.duet.base.asked import Asked
from vitbench.duet.base.dependencies import packages_note
from vitbench.duet.base.options import options_of_base
from vitbench.duet.base.own_paths import below
from vitbench.duet.base.prepare_base import prepare_base
from vitbench.duet.base.revision import CODE, Base, base_of, changed_files, commit_of, top_of
from vitbench.duet.base.side import Side, code_of_head, with_arm
from vitbench.duet.base.submodules import fill
from vitbench.duet.base.tree_digest import overlooked
from vitbench.duet.base.untracked import Untracked
from vitbench.duet.base.work_tree import checked_out
from vitbench.errors import UserError, some
from vitbench.place import CHECKOUT, PACKAGE
from vitbench.project.project import Project


@contextmanager
def side_of_revision(asked: Asked, code: Path) -> Iterator[Side]:
    """A revision of the repository that holds the project, in a work tree of its own.

    Its vitbench is head's, too, unless that lies in the same repository.
    """
    found = standing(asked.against, asked.project, asked.tip)
    same = "" if asked.base_artifacts else found.same
    if same:
        asked = replace(asked, prepare_seconds=None)
    label = f"{asked.against} ({found.commit[:10]})"
    with side_of_commit(asked, found.commit, label, code) as side:
        own = (*found.notes, *side.notes)
        yield replace(side, notes=own, same=same, merge_base_of=found.merge_base_of)


@dataclass(frozen=True)
class Standing(Base):
    """`same`: why base is the same as head; empty where the two differ."""

    same: str = ""


def standing(against: str, project: Project, tip: bool) -> Standing:
    """The commit of base, what a person should know of both sides, and whether they differ. Raises
    UserError as `base_of`."""
    root = project.root
    found, here = base_of(against, root, tip), commit_of("HEAD", against, root)
    changed, notes, same = _changed(project, top_of(root)), found.notes, ""
    if changed:
        notes += (f"head has uncommitted changes: {some(changed)}",)
    elif found.commit == here:
        same = f"base and head are one commit, {here[:10]}, and no file is changed"
    return Standing(found.commit, notes, found.merge_base_of, same)


@contextmanager
def commits_of(asked: Asked) -> Iterator[Callable[[str, str], AbstractContextManager[Side]]]:
    """What checks out a commit, as a side with a label; usable until the context ends."""
    with code_of_head() as code:
        yield lambda commit, label: side_of_commit(
            replace(asked, against=label), commit, label, code, label
        )


@contextmanager
def side_of_commit(
    asked: Asked, commit: str, label: str, code: Path, who: str = "base"
) -> Iterator[Side]:
    """A commit of the repository that holds the project, in a work tree of its own. `who` is the
    side for people."""
    against, project = asked.against, asked.project.root
    top = top_of(project)
    with checked_out(commit, top) as tree:
        notes = fill(tree, top)
        root = tree / (below(project.resolve(), top) or "")
        if not root.is_dir():
            raise UserError(f"--against={against}: base has no folder {root.relative_to(tree)}")
        files = Untracked(top, tree)
        notes += prepare_base(asked, root, files, who)
        own = _own_vitbench(top, tree)
        if own is not None:
            code = with_arm(own, against)
        read = options_of_base(asked, root, files)
        notes += (*read.notes, *packages_note(root, project))
        within = below(asked.start.resolve(), top)
        cwd = asked.start if within is None else tree / within
        _make(cwd, tree, against)
        path = tuple(_mapped(each, top, tree) for each in _entries())
        yield Side(
            label,
            sys.executable,
            code,
            notes,
            "",
            root,
            cwd,
            read.options,
            path,
            tree,
            top,
            commit,
            lacking=read.lacking,
            models=read.models,
        )


def _make(folder: Path, tree: Path, against: str) -> None:
    """A folder of the command that may be new in head."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # as below a file of base
        raise UserError(
            f"--against={against}: base cannot have the folder {folder.relative_to(tree)}, in "
            f"which this command was started ({error.strerror}): start it in the project's own"
        ) from error


def labelled_by_commit(side: Side, asked: Asked) -> Side:
    """Head, where base is a revision: its label has the commit."""
    top, commit = top_of(asked.project.root), commit_of("HEAD", asked.against, asked.project.root)
    return replace(side, label=f"{side.label} ({commit[:10]})", top=top, commit=commit)


def _changed(project: Project, top: Path) -> list[str]:
    """The files of head's work tree that its commit does not have so. Where a project's root is an
    import root, its packages are code, and not all that lies there."""
    roots = [below(each.resolve(), top) for each in project.import_roots]
    place = below(project.root.resolve(), top) or Path()
    code = {each.as_posix() for each in roots if each not in (None, Path(), place)}
    own = below(CHECKOUT.resolve(), top) if CHECKOUT else None
    code |= set() if own is None else {(own / each).as_posix() for each in CODE}
    return [*changed_files(top, code, (place / "reports").as_posix()), *overlooked(top)]


def _entries() -> list[str]:
    """The entries of PYTHONPATH."""
    return [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]


def _mapped(entry: str, top: Path, tree: Path) -> str:
    """An entry of PYTHONPATH as base has it: below head's work tree, base's folder of that name."""
    within = below(Path(entry), top) if Path(entry).is_absolute() else None
    return str(tree / within) if within is not None and (tree / within).exists() else entry


def _own_vitbench(top: Path, tree: Path) -> Path | None:
    """The folder of base's vitbench, where head's is a checkout in the same work tree `top`, as
    `tree` has it; None where vitbench comes from elsewhere."""
    if CHECKOUT is None:
        return None
    with suppress(UserError):
        within = below(CHECKOUT.resolve(), top)
        if (
            within is not None
            and top_of(CHECKOUT) == top
            and (tree / within / PACKAGE.name).is_dir()
        ):
            return tree / within
    return None
