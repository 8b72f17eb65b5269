"""`prepare = "COMMAND"` of `[tool.vitbench]`: what builds in a tree what git does not track."""

from pathlib import Path

from vitbench.errors import UserError
from vitbench.pyproject import Pyproject, read_pyproject

KEY = "prepare"


def command_of(path: Path) -> str:
    """The command of a pyproject.toml; "" where there is none. Raises UserError."""
    return prepare_of(read_pyproject(path, "command prepare")) if path.is_file() else ""


def prepare_of(read: Pyproject) -> str:
    found = read.table.get(KEY)
    if found is None:
        return ""
    if not isinstance(found, str) or not found.strip():
        raise UserError(
            f"{read.place(KEY)}: tool.vitbench.{KEY} should be a command of the shell, such as "
            '"python export.py"'
        )
    return found
