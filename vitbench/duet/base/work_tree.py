"""A commit of a repository, checked out beside it in a temporary work tree."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vitbench.duet.base.revision import git
from vitbench.duet.ending import cleaning_first
from vitbench.errors import UserError

PREFIX = "vitbench-base-"
# Hooks are the user's, for work trees of the user's own: one may install, ask or fail.
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
_NO_LFS = tuple(
    part
    for setting in ("smudge=cat", "process=", "required=false")
    for part in ("-c", f"filter.lfs.{setting}")
)
_ABANDONED_SECONDS = 24 * 3600.0


@contextmanager
def checked_out(commit: str, repository: Path) -> Iterator[Path]:
    """The root of a work tree of `commit`, resolved, which is removed at the end, also where a
    signal ends this process.

    Its name is its own: several at once in one repository do not meet. Work trees of the user's,
    also those on a disk that is not there now, stay known to git. Raises UserError with git's own
    reason.
    """
    with cleaning_first(), tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        tree = Path(folder).resolve()
        try:
            with _alone(repository):
                _forget_abandoned(repository)
                _add(repository, tree, commit)
            yield tree
        finally:
            # The folder goes anyway, and the verdicts must still be printed.
            with suppress(UserError), _alone(repository):
                _remove(repository, tree)
            tree.mkdir(exist_ok=True)  # whoever made it removes it


def _add(repository: Path, tree: Path, commit: str) -> None:
    """Where Git LFS cannot fetch a file, as without a network, its pointers stay in the tree: what
    is on this machine is taken by its digest, and what a run does not read need not be there."""
    adding = ("worktree", "add", "-q", "--detach", str(tree), commit)
    try:
        git(repository, *_NO_HOOKS, *adding)
    except UserError as error:
        if "lfs" not in str(error).lower():
            raise
        with suppress(UserError):
            _remove(repository, tree)
        git(repository, *_NO_HOOKS, *_NO_LFS, *adding)


def _remove(repository: Path, tree: Path) -> None:
    """Also one that git locked while it was added, and that was not finished."""
    git(repository, "worktree", "remove", "--force", "--force", str(tree))


@contextmanager
def _alone(repository: Path) -> Iterator[None]:
    """While no other duet adds or removes a work tree: git removes the folder of all of them with
    the last, also where another git is about to write into it."""
    folder = os.open(
        Path(repository, git(repository, "rev-parse", "--git-common-dir")), os.O_RDONLY
    )
    try:
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _forget_abandoned(repository: Path) -> None:
    """Has git forget the work trees of duets that were killed a day ago or earlier, and whose
    folders are gone. (`git worktree prune` would forget the user's, too.)"""
    known = Path(repository, git(repository, "rev-parse", "--git-common-dir"), "worktrees")
    for entry in known.glob(f"{PREFIX}*"):
        with suppress(UserError, OSError, ValueError):  # of one; the others are forgotten
            tree = Path((entry / "gitdir").read_text().strip()).parent
            old = time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS
            if old and not tree.exists():
                _remove(repository, tree)
