"""What a duet is held against: a git revision, another checkout, or another environment."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vitbench import environment
from vitbench.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
MODULE = Path("vitbench", "arm.py")


@dataclass(frozen=True)
class Side:
    """Base or head: what executes it and where its vitbench lies. `label` is for people."""

    label: str
    python: str
    folder: Path

    @property
    def command(self) -> tuple[str, ...]:
        return (self.python, "-P", "-m", "vitbench.arm")


def head() -> Side:
    """This checkout as it stands, in this environment."""
    return Side("this checkout", sys.executable, ROOT)


@contextmanager
def base(against: str, start: Path) -> Iterator[Side]:
    """What `--against` names, usable until the context ends.

    A path that is an interpreter or holds one is an environment; one that holds a vitbench is a
    checkout; anything else is a git revision, checked out beside and removed afterwards. Relative
    paths are relative to `start`. Raises UserError where it is none of them.
    """
    path = environment.absolute(against, start, "--against")
    interpreter = path if path.is_file() else path / "bin" / "python"
    if interpreter.is_file():
        yield Side(f"environment {path.name}", str(interpreter), ROOT)
    elif path.is_dir() and (path / "vitbench").is_dir():
        yield Side(f"checkout {path.name}", sys.executable, _with_arm(path, against))
    elif path.exists() and "/" in against:
        raise UserError(
            f"--against={against}: neither an environment (no bin/python in it) nor a checkout of "
            "vitbench"
        )
    else:
        commit = _commit(against)
        with tempfile.TemporaryDirectory(prefix="vitbench-base-") as folder:
            tree = Path(folder) / "checkout"
            _git("worktree", "prune")  # what a killed run left
            _git("worktree", "add", "--detach", str(tree), commit)
            try:
                yield Side(f"{against} ({commit[:10]})", sys.executable, _with_arm(tree, against))
            finally:
                with suppress(UserError):  # the folder goes anyway; what is known must be told
                    _git("worktree", "remove", "--force", str(tree))


def _with_arm(folder: Path, against: str) -> Path:
    if not (folder / MODULE).is_file():
        raise UserError(
            f"--against={against}: its vitbench is too old for a duet (it has no {MODULE}): name a "
            "newer revision, or compare environments"
        )
    return folder


def _commit(revision: str) -> str:
    try:
        name = f"{revision}^{{commit}}"
        return _git("rev-parse", "--verify", "--end-of-options", name).splitlines()[-1]
    except UserError as error:
        if "cannot be run" in str(error):
            raise
        raise UserError(
            f"--against={revision}: neither a git revision here nor the path of an environment or "
            "a checkout"
        ) from error


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise UserError(f"git cannot be run: {error.strerror}; --against REV needs it") from error
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"git {arguments[0]} failed: {words}")
    return done.stdout.strip()
