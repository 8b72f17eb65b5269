"""The sides of a duet: head, and as its base a git revision, a checkout or an environment."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from vitbench import environment
from vitbench.duet.base.artifacts import artifact_notes, given_artifacts, with_artifacts
from vitbench.duet.base.asked import Asked
from vitbench.duet.base.commit import labelled_by_commit, side_of_revision
from vitbench.duet.base.revision import base_of, changed_files, commit_of, refs
from vitbench.duet.base.side import ROOT, Side, code_of_head, head, with_arm
from vitbench.errors import UserError

ENVIRONMENT, CHECKOUT, REVISION = "environment", "checkout", "revision"
"""What base may be."""


@contextmanager
def sides_of(asked: Asked) -> Iterator[Mapping[str, Side]]:
    """Base and head, usable until the context ends. Raises UserError as `base`."""
    with code_of_head() as code, base(asked, code) as other:
        this = _of_head(replace(head(), folder=code), asked)
        yield {
            "base": other,
            "head": this if other.top is None else labelled_by_commit(this, asked),
        }


@contextmanager
def base(asked: Asked, code: Path) -> Iterator[Side]:
    """What `--against` names, usable until the context ends. `code`: where head's vitbench lies.

    A path of an interpreter, or of a folder with bin/python, is an environment: base runs there,
    with the vitbench of head. A folder with a vitbench in it is a checkout. Anything else is a git
    revision (revision.base_of) of the repository that holds the project: a temporary work tree,
    removed at the end. Raises UserError where it is none of them, or both a path and a revision.
    """
    kind, path = meant(asked.against, asked.start, asked.project.root, asked.tip)
    if kind == ENVIRONMENT:
        same = "base and head are one environment" if _running(path) else ""
        label = f"environment {environment.absolute(asked.against, asked.start, '--against').name}"
        yield _beside(Side(label, str(path), code, (), same), asked)
    elif kind == CHECKOUT:
        folder = with_arm(path, asked.against)
        other = Side(f"checkout {path.name}", sys.executable, folder, (), _same_files(folder))
        yield _beside(other, asked)
    else:
        with side_of_revision(asked, code) as side:
            yield side


def meant(against: str, start: Path, project: Path, tip: bool) -> tuple[str, Path]:
    """Whether `--against` names an ENVIRONMENT, a CHECKOUT or a REVISION, as `base` has it; and the
    interpreter, the folder, or the path that is none. Nothing is checked out or run but git. Raises
    UserError as `base`."""
    if not against.strip():  # as of a variable that is not set
        raise UserError(
            f"--against={against}: the value is empty: give a revision, a checkout or an "
            "environment"
        )
    path = environment.absolute(against, start, "--against")
    interpreter = path if path.is_file() else path / "bin" / "python"
    if interpreter.is_file() and _interpreter(interpreter):
        _no_revision(against, project)
        return ENVIRONMENT, interpreter
    if path.is_dir() and (path / "vitbench").is_dir():
        _no_revision(against, project)
        return CHECKOUT, path
    try:
        base_of(against, project, tip)
    except UserError as error:
        if not path.exists():
            raise
        what = (
            "this file is no Python interpreter: name an environment, its bin/python, a checkout "
            "or a git revision"
            if path.is_file()
            else "neither an environment (no bin/python in it) nor a checkout of vitbench"
        )
        raise UserError(f"--against={against}: {what}") from error
    return REVISION, path


def _of_head(side: Side, asked: Asked) -> Side:
    """A side that has head's project."""
    return replace(side, tree=asked.project.root, cwd=asked.start, options=asked.options)


def _beside(side: Side, asked: Asked) -> Side:
    """Another environment or checkout, which has head's project but for the artifacts of base."""
    given = given_artifacts(asked.base_artifacts, asked.project.variants, asked.start)
    own = asked.options.project_variants
    options = replace(
        asked.options, project_variants=with_artifacts(own, asked.project.variants, given)
    )
    found, same = _of_head(side, asked), "" if given else side.same
    return replace(found, options=options, notes=(*side.notes, *artifact_notes(given)), same=same)


def _no_revision(against: str, project: Path) -> None:
    """Raises UserError where a branch or a tag is called as a path is: it may mean either."""
    named: list[str] = []
    with suppress(UserError):  # without git there is no revision
        named = refs(against, project)
    if named:
        raise UserError(
            f"--against={against}: both a path and a revision have this name: write one of "
            f"./{against}, {', '.join(named)}"
        )


def _interpreter(path: Path) -> bool:
    """Whether a file may be run as Python. One of another name is not tried: a script would run."""
    return path.name.startswith(("python", "pypy")) and os.access(path, os.X_OK)


def _running(interpreter: Path) -> bool:
    """Whether it is the interpreter of this process, in the same environment."""
    this = Path(sys.executable)
    return (interpreter.parent.resolve(), interpreter.resolve()) == (
        this.parent.resolve(),
        this.resolve(),
    )


def _same_files(folder: Path) -> str:
    """Why another checkout is no other than this one, or nothing."""
    if folder.resolve() == ROOT.resolve():
        return "base and head are one folder"
    if not all((each / ".git").exists() for each in (folder, ROOT)):
        return ""
    with suppress(UserError):  # a repository without a commit is no other's
        commits = {commit_of("HEAD", str(each), each) for each in (folder, ROOT)}
        if len(commits) == 1 and not changed_files(folder) and not changed_files(ROOT):
            return f"base and head are one commit, {commits.pop()[:10]}, and no file is changed"
    return ""
