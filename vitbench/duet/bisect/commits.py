"""The commits between two others, as a bisection walks over them. git does the work."""

from dataclasses import dataclass
from pathlib import Path

from vitbench.duet.base.revision import git
from vitbench.errors import UserError


@dataclass(frozen=True)
class Commit:
    """A commit, its first line, how many parents it has, and the first of them."""

    id: str
    subject: str
    parents: int = 1
    first_parent: str = ""

    @property
    def short(self) -> str:
        return self.id[:10]

    def __str__(self) -> str:
        return f"{self.short} ({self.subject})"

    def to_json(self) -> dict[str, str]:
        return {"commit": self.id, "subject": self.subject}


def line_between(good: str, bad: str, root: Path) -> list[Commit]:
    """GOOD, then what came after it up to BAD, oldest first: a merge counts as one commit, its
    first parent's line goes on. Raises UserError, with git's reason, where there is no such line.
    Of a GOOD on a branch that was merged there is none: what came before the merge lacks it.
    """
    ends = [_commit(name, root) for name in (good, bad)]
    if ends[0] == ends[1]:
        raise UserError(
            f"{good} and {bad} are one commit, {ends[0][:10]}: there is nothing between"
        )
    base = _merge_base(ends[0], ends[1], root)
    if base == ends[1]:
        raise UserError(
            f"{bad} is older than {good}: write the good commit first, then the bad one"
        )
    if base != ends[0]:
        raise UserError(
            f"{good} is no ancestor of {bad}: give one that is, such as their merge-base, "
            f"{base[:10]}"
        )
    after = git(root, "rev-list", "--first-parent", "--reverse", f"{ends[0]}..{ends[1]}").split()
    line = [_described(each, root) for each in (ends[0], *after)]
    if line[1].first_parent != ends[0]:
        raise UserError(
            f"{good} lies on a branch that was merged into {bad}: give a commit of {bad}'s own "
            f"line of first parents, such as {line[1].first_parent[:10]}"
        )
    return line


def _commit(name: str, root: Path) -> str:
    if not name.strip() or name.startswith("-"):
        raise UserError(f"{name!r} is no commit: give a revision of git")
    try:
        return git(root, "rev-parse", "--verify", f"{name}^{{commit}}").split()[-1]
    except UserError as error:
        raise UserError(f"{name} is no commit here: {error}") from error


def _merge_base(one: str, other: str, root: Path) -> str:
    try:
        return git(root, "merge-base", one, other).split()[0]
    except UserError as error:
        raise UserError(
            f"{one[:10]} and {other[:10]} have no commit in common here: in a shallow clone, git "
            "fetch --unshallow brings the rest"
        ) from error


def _described(commit: str, root: Path) -> Commit:
    words = git(root, "show", "--no-patch", "--format=%P%x00%s", commit)
    parents, _, subject = words.partition("\0")
    every = parents.split()
    return Commit(commit, subject, len(every), *every[:1])
