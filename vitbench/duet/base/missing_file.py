"""Why base's code does not find a file that lies in head's tree."""

import re
from pathlib import Path

from vitbench.duet.base.own_paths import below
from vitbench.duet.base.revision import git
from vitbench.duet.base.side import Side
from vitbench.errors import UserError

_MISSING = re.compile(
    r"No such file or directory: (?:'([^']+)'|(.+?)(?= \([^()]+, line \d+\)|$))", re.MULTILINE
)
"""What Python says of a path that it cannot open, and safetensors, which quotes nothing; behind
it may stand the line of the team's code."""


def missing_in_base(error: str, base: Side, head: Side) -> str:
    """A sentence to follow an error of base, where it is about a file that only head's tree has; ""
    where it is not. Base's tree has what git tracks, and nothing else."""
    found = _MISSING.search(error)
    if found is None or base.top is None or head.top is None:
        return ""
    within = below(base.cwd / (found[1] or found[2]), base.top)
    if within is None or (base.top / within).exists() or not (head.top / within).exists():
        return ""
    name = within.as_posix()
    if _tracked(head.top, within):
        return f". This is base's tree: base's commit does not have {name}, which is new in head"
    return (
        f". This is base's tree, and git does not track {name}: name the file as `checkpoint` of "
        "the model in [tool.vitbench.models], then both sides take the one that is here"
    )


def _tracked(top: Path, within: Path) -> bool:
    try:
        return bool(git(top, "ls-files", "--", within.as_posix()))
    except UserError:
        return False
