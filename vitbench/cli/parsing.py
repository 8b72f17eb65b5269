"""The options of the table in a parser, and their values out of it."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from vitbench.cli.options import options_of


def add(parser: argparse.ArgumentParser, command: str, required: Sequence[str] = ()) -> None:
    """Adds a command's options to its parser."""
    for option in options_of(command):
        needed = {"required": True} if option.name in required else {}
        parser.add_argument(option.name, **{**option.attributes(), **needed})


def checked(command: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a command's options by `dest`, out of all that a parser returned.

    Raises UserError for a number that is out of range.
    """
    values = {option.dest: given[option.dest] for option in options_of(command)}
    for option in options_of(command):
        value = values[option.dest]
        if option.check and value is not None:
            for each in value if option.repeatable else (value,):
                option.check(option.name, each)
    return values
