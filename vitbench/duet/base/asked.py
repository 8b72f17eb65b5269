"""What a duet is asked for in head: the project, its options, and how they are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitbench.measure.options import Options
from vitbench.project.project import Project


@dataclass(frozen=True)
class Asked:
    """`against` as the user wrote it. `start`: the folder that the command was given in, where
    relative paths start. `read` gives the options of the same command line for a project: `options`
    are those for `project`, which is head's. `tip`: of a branch, base is its newest commit and not
    the merge-base with head. `base_artifacts`: the values of `--base-artifact`.
    `prepare_seconds`: how long the command `prepare` may take in a tree; None: the command does not
    run. `say` gets its lines.
    """

    against: str
    start: Path
    project: Project
    options: Options
    read: Callable[[Project], Options]
    tip: bool = False
    base_artifacts: Sequence[str] = ()
    prepare_seconds: float | None = 600.0
    say: Callable[[str], None] = lambda _: None
