"""The sides of a duet: head, and as its base a git revision, a checkout or an environment."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vitbench import environment
from vitbench.duet.revision import base_of, changed_files, commit_of, git, refs
from vitbench.errors import UserError
from vitbench.place import CHECKOUT, PACKAGE

ROOT = Path(__file__).resolve().parents[2]
WORKERS = ("vitbench.duet.worker", "vitbench.arm")
"""The modules that start an arm, the newest name first. Before the package had folders, the module
was `vitbench.arm`."""


@dataclass(frozen=True)
class Side:
    """Base or head: its interpreter, and the folder from which Python imports its vitbench.

    People read `label` and `notes`. `same`: why base is the same as head, so that there is nothing
    to compare; empty where the two differ.
    """

    label: str
    python: str
    folder: Path
    notes: tuple[str, ...] = ()
    same: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        return (self.python, "-P", "-m", worker_of(self.folder) or WORKERS[0])


def head() -> Side:
    """The vitbench of this process, in the environment of this process."""
    return Side("this checkout", sys.executable, ROOT)


@contextmanager
def base(against: str, start: Path) -> Iterator[Side]:
    """What `--against` names, usable until the context ends.

    A path of an interpreter, or of a folder with bin/python, is an environment: base runs there,
    with the vitbench of head. A folder with a vitbench in it is a checkout. Anything else is a git
    revision (revision.base_of): a temporary work tree, removed at the end. Relative paths start at
    `start`. Raises UserError where `against` is none of them, or both a path and a revision.
    """
    if not against.strip():  # as of a variable that is not set
        raise UserError(
            f"--against={against}: the value is empty: give a revision, a checkout or an "
            "environment"
        )
    path = environment.absolute(against, start, "--against")
    interpreter = path if path.is_file() else path / "bin" / "python"
    if interpreter.is_file() and _interpreter(interpreter):
        _no_revision(against)
        same = "base and head are one environment" if _running(interpreter) else ""
        with _code_of_head() as folder:
            yield Side(f"environment {path.name}", str(interpreter), folder, same=same)
    elif path.is_dir() and (path / "vitbench").is_dir():
        _no_revision(against)
        folder = _with_arm(path, against)
        yield Side(f"checkout {path.name}", sys.executable, folder, same=_same_files(folder))
    elif path.exists() and not _revision(against):
        if path.is_file():
            raise UserError(
                f"--against={against}: this file is no Python interpreter: name an environment, "
                "its bin/python, a checkout or a git revision"
            )
        raise UserError(
            f"--against={against}: neither an environment (no bin/python in it) nor a checkout of "
            "vitbench"
        )
    else:
        with _checked_out(against) as side:
            yield side


@contextmanager
def _code_of_head() -> Iterator[Path]:
    """A folder from which another interpreter imports the vitbench of head, and nothing else.

    Where vitbench is installed, torch lies beside it: on the path of the other interpreter it would
    replace the torch that is to be compared.
    """
    if CHECKOUT:
        yield CHECKOUT
        return
    with tempfile.TemporaryDirectory(prefix="vitbench-code-") as folder:
        (Path(folder) / PACKAGE.name).symlink_to(PACKAGE)
        yield Path(folder)


@contextmanager
def _checked_out(against: str) -> Iterator[Side]:
    """A revision of the repository of this checkout, in a folder of its own."""
    found, here = base_of(against, ROOT), commit_of("HEAD", against, ROOT)
    changed, notes, same = changed_files(ROOT), found.notes, ""
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        notes += (f"head has uncommitted changes: {', '.join(changed[:3])}{more}",)
    elif found.commit == here:
        same = f"base and head are one commit, {here[:10]}, and no file is changed"
    place = git(ROOT, "rev-parse", "--show-prefix")  # vitbench may lie in a folder of a repository
    with tempfile.TemporaryDirectory(prefix="vitbench-base-") as folder:
        tree = Path(folder) / "checkout"
        git(ROOT, "worktree", "prune")  # what a killed run left
        git(ROOT, "worktree", "add", "--detach", str(tree), found.commit)
        try:
            label, code = f"{against} ({found.commit[:10]})", _with_arm(tree / place, against)
            yield Side(label, sys.executable, code, notes, same)
        finally:
            with suppress(UserError):  # the folder goes anyway; the verdicts must still be printed
                git(ROOT, "worktree", "remove", "--force", str(tree))


def _no_revision(against: str) -> None:
    """Raises UserError where a branch or a tag is called as a path is: it may mean either."""
    named: list[str] = []
    with suppress(UserError):  # without git there is no revision
        named = refs(against, ROOT)
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


def _revision(against: str) -> bool:
    try:
        return bool(base_of(against, ROOT))
    except UserError:
        return False


def worker_of(folder: Path) -> str | None:
    """The module that starts an arm of the vitbench in `folder`; None where there is none."""
    files = {name: folder.joinpath(*name.split(".")).with_suffix(".py") for name in WORKERS}
    return next((name for name, file in files.items() if file.is_file()), None)


def _with_arm(folder: Path, against: str) -> Path:
    if worker_of(folder) is None:
        raise UserError(
            f"--against={against}: its vitbench is too old for a duet (it has neither "
            f"{' nor '.join(WORKERS)}): name a newer revision, or compare environments"
        )
    return folder
