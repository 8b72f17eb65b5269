"""The session that a command's options describe."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.parsing import checked
from vitbench.environment import untested_system
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.case import Case
    from vitbench.measure.options import Options
    from vitbench.measure.session import Session
    from vitbench.project.project import Project


def session_of(command: str, chosen: argparse.Namespace, **more: Any) -> "Session":
    """The session that a command builds and runs models in; `more`: values of further options.

    Raises UserError for a bad value.
    """
    from vitbench.measure.session import Session
    from vitbench.project.project import project_at

    options = options_for(command, chosen, project_at(Path.cwd()), **more)
    if words := untested_system():
        say(words)
    return Session(options, say)


def case_session(command: str, chosen: argparse.Namespace) -> "tuple[Session, Case]":
    """The session and the case of a command that takes one CASE, whose model is what `--model`
    gives that name, else the project's, else the one of that name. Raises UserError."""
    from vitbench.case import Case

    case = Case.parse(chosen.case)
    session = session_of(command, chosen)
    names = [spec.name for spec in session.options.models]
    if case.model not in names and not chosen.model:
        session = session_of(command, argparse.Namespace(**{**vars(chosen), "model": [case.model]}))
        names = [spec.name for spec in session.options.models]
    if case.model not in names:
        raise UserError(
            f"{case.id}: --model gives {', '.join(names)}: give --model={case.model}=SPEC"
        )
    return session, case


def options_for(
    command: str, chosen: argparse.Namespace, project: "Project", **more: Any
) -> "Options":
    """What a command's options say for a project. Raises UserError for a bad value."""
    from vitbench.measure.options import read_options

    return read_options({**checked(command, vars(chosen)), **more}, Path.cwd(), project)


def say(text: str) -> None:
    """Progress goes to stderr: stdout is the answer."""
    print(f"  {text}", file=sys.stderr)
