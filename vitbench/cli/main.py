"""The `vitbench` command: its parser, and what each outcome is as an exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from vitbench import __version__, environment
from vitbench.cli import (
    aa_run,
    accept,
    best,
    bisect,
    blame,
    compare,
    duet,
    fleet,
    gate,
    history,
    init,
    merge,
    mixed,
    package,
    predict,
    show,
    soak,
    structure,
)
from vitbench.cli import list as listing
from vitbench.cli.codes import BROKEN_PIPE, INTERRUPTED, USAGE
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.place import install

COMMANDS = (
    init,
    listing,
    predict,
    package,
    best,
    blame,
    mixed,
    duet,
    bisect,
    structure,
    soak,
    fleet,
    aa_run,
    show,
    merge,
    gate,
    accept,
    history,
    compare,
)
"""The module of each command, in the order of `vitbench --help`."""


class Parser(argparse.ArgumentParser):
    """argparse exits with 2 on a usage error, which means something else to a gate."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, 1 for what is broken, 4 for bad input; `gate` and `duet` also 2 and
    3, `mixed` 3."""
    words, top = sys.argv[1:] if arguments is None else list(arguments), parser()
    if words[:1] == ["history"] and (problem := history.without_command(words[1:])):
        top.error(problem)
    if words[:1] == ["export"]:
        top.exit(USAGE, "vitbench: error: `vitbench export` is `vitbench package` now\n")
    chosen = top.parse_args(words)
    environment.settle_idle_threads()
    try:
        code = int(chosen.run(chosen))
        sys.stdout.flush()
        return code
    except (UserError, Unavailable, WorkerFailed) as error:
        print(f"vitbench: error: {error}", file=sys.stderr)
        return USAGE
    except ModuleNotFoundError as error:
        needed = str(error.name).partition(".")[0]
        if needed == "vitbench":
            raise
        told = f"this command needs {needed}, which is not installed: {install('suite')}"
        print(f"vitbench: error: {told}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # no second complaint
        return BROKEN_PIPE


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = Parser(
        prog="vitbench", description="How to deploy a Vision Transformer; README.md has it all."
    )
    top.add_argument("--version", action="version", version=f"vitbench {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.register(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
