"""`vitbench fleet`: many machines of a Ray cluster. A module for each of its commands."""

from typing import Any

from vitbench.cli.fleet import run, verify

COMMANDS = {"run": run, "verify": verify}


def register(commands: Any) -> None:
    fleet = commands.add_parser("fleet", help="the same cases on many machines (Ray)")
    below = fleet.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        module.register(below, name)
