"""The command `prepare` in head's tree, which is the user's own."""

from collections.abc import Callable
from pathlib import Path

from vitbench.duet.base.commit import standing
from vitbench.duet.base.prepare_command import run_prepare
from vitbench.duet.ending import cleaning_first
from vitbench.duet.sides import REVISION, meant
from vitbench.project.project import Project


def prepare_head(
    against: str,
    start: Path,
    project: Project,
    tip: bool,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Runs head's command, where base is a revision that differs from head, before anything of head
    is read: what the tree has may be built from an older state of the code. Raises UserError, first
    of all where `against` names nothing.
    """
    kind, _ = meant(against, start, project.root, tip)
    if not project.prepare or kind != REVISION:
        return
    if not standing(against, project, tip).same:
        with cleaning_first():
            run_prepare(project.prepare, "head", project.root, project.root, seconds, say)
