"""A commit of a repository, checked out beside it in a temporary work tree."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vitbench.duet.revision import git
from vitbench.errors import UserError

# Hooks are the user's, for work trees of the user's own: one may install, ask or fail.
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")


@contextmanager
def checked_out(commit: str, repository: Path) -> Iterator[Path]:
    """The root of a work tree of `commit`, resolved, which is removed at the end.

    Its name is its own: several at once in one repository do not meet.
    Raises UserError with git's own reason.
    """
    with tempfile.TemporaryDirectory(prefix="vitbench-base-") as folder:
        tree = Path(folder).resolve()
        try:
            git(repository, *_NO_HOOKS, "worktree", "add", "--detach", str(tree), commit)
            yield tree
        finally:
            with suppress(UserError):  # the folder goes anyway; the verdicts must still be printed
                git(repository, "worktree", "remove", "--force", str(tree))
                tree.mkdir()  # as its owner expects it
