"""`vitbench history`: reports over time. A module for each of its commands."""

from collections.abc import Sequence
from typing import Any

from vitbench.cli.history import export, imports, page, prune, show

COMMANDS = {"show": show, "page": page, "export": export, "import": imports, "prune": prune}
OLD = {
    "--html": "page",
    "--csv": "export --format=csv",
    "--export": "export --format=FORMAT",
    "--import": "import FILE",
    "--keep": "prune --keep=Nd",
    "--delete": "prune --keep=Nd",
}
"""Options that `vitbench history` took before it had commands, and the command of each."""


def register(commands: Any) -> None:
    history = commands.add_parser("history", help="reports over time, and what changed when")
    below = history.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        module.register(below, name)


def without_command(arguments: Sequence[str]) -> str | None:
    """What to write instead, where the arguments of `vitbench history` begin with no command."""
    if arguments and arguments[0] in (*COMMANDS, "-h", "--help"):
        return None
    names = [word.partition("=")[0] for word in arguments]
    old = next((name for name in names if name in OLD), None)
    if old:
        return f"{old} is a command now: write `vitbench history {OLD[old]}`"
    what = f"{arguments[0]}: no command" if arguments else "a command is missing"
    return f"{what}: write `vitbench history show`, or one of {', '.join(COMMANDS)}"
