"""The session that a command's options describe."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.parsing import checked
from vitbench.environment import untested_system

if TYPE_CHECKING:
    from vitbench.measure.session import Session


def session_of(command: str, chosen: argparse.Namespace, **more: Any) -> "Session":
    """The session that a command builds and runs models in; `more`: values of further options.

    Raises UserError for a bad value.
    """
    from vitbench.measure.options import read_options
    from vitbench.measure.session import Session
    from vitbench.project.project import project_at

    here = Path.cwd()
    options = read_options({**checked(command, vars(chosen)), **more}, here, project_at(here))
    if words := untested_system():
        say(words)
    return Session(options, say)


def say(text: str) -> None:
    """Progress goes to stderr: stdout is the answer."""
    print(f"  {text}", file=sys.stderr)
