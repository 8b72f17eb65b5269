"""The options of the table in a parser, and their values out of it."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitbench.cli.options import options_of
from vitbench.errors import UserError


def add(parser: argparse.ArgumentParser, command: str, required: Sequence[str] = ()) -> None:
    """Adds a command's options to its parser."""
    for option in options_of(command):
        needed = {"required": True} if option.name in required else {}
        parser.add_argument(option.name, **{**option.attributes(), **needed})


def checked(command: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a command's options by `dest`, out of all that a parser returned.

    Raises UserError for a number that is out of range, and for an empty text: such is the value of
    `--images="$IMAGES"` where the variable is not set.
    """
    values = {option.dest: given[option.dest] for option in options_of(command)}
    for option in options_of(command):
        value = values[option.dest]
        for each in value if option.repeatable else () if value is None else (value,):
            if isinstance(each, str) and not each.strip():
                raise UserError(f"{option.name} is empty: give {option.metavar}, or leave it out")
            if option.check:
                option.check(option.name, each)
    return values


def path_of(text: str) -> Path:
    """The path that an argument names: an empty one would be the folder where one is."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the value is empty: give a path")
    return Path(text)
