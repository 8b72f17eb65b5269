"""The command `prepare` in base's tree, as base's own file has it."""

from pathlib import Path

from vitbench.duet.base.asked import Asked
from vitbench.duet.base.options import lend_models
from vitbench.duet.base.prepare_command import run_prepare
from vitbench.duet.base.untracked import Untracked
from vitbench.errors import UserError
from vitbench.project.prepare import command_of
from vitbench.pyproject import NAME


def prepare_base(asked: Asked, root: Path, files: Untracked, who: str) -> tuple[str, ...]:
    """Runs the command in `root`, the project in the tree of `who`, which is base for people. The
    files of models that both sides take from head lie there as copies. A note where head has a
    command and base has none. Raises UserError.
    """
    if asked.prepare_seconds is None:
        return ()
    try:
        command = command_of(root / NAME)
    except UserError as error:
        words = str(error).replace(f"{root}/", "")
        raise UserError(f"--against={asked.against}: in base's files: {words}") from error
    if command:
        lend_models(asked, root, files)
        run_prepare(command, who, root, asked.project.root, asked.prepare_seconds, asked.say)
    elif asked.project.prepare:
        return (f"{who} has no prepare in its [tool.vitbench]: nothing was built in its tree",)
    return ()
