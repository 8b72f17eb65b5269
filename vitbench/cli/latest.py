"""The report that a command is about: a file, or `latest`."""

import argparse
import sys
from pathlib import Path

from vitbench.cli.folders import HISTORY
from vitbench.cli.parsing import path_of


def named(text: str) -> Path | None:
    """The file that a REPORT names; None for the newest one. (`./latest` is a file.)"""
    return None if text == "latest" else path_of(text)


def add_report(command: argparse.ArgumentParser, *also: str) -> None:
    """The argument REPORT, and the folder in which `latest`, and what `also` names, look."""
    words = " and ".join(("latest", *also))
    command.add_argument(
        "report",
        type=named,
        metavar="REPORT",
        help="a file, or latest: the newest of the history (a file of that name is ./latest)",
    )
    command.add_argument(
        "--history",
        type=path_of,
        metavar="DIR",
        default=HISTORY,
        help=f"where {words} look{'' if also else 's'} (default: {HISTORY})",
    )


def settle_report(chosen: argparse.Namespace) -> bool:
    """Puts the newest report of the history in the place of `latest`, and says which it is.

    Returns whether it did.

    Raises UserError where there is none, or where a file may be it that cannot be read.
    """
    from vitbench.report.newest import newest

    if chosen.report is not None:
        return False
    chosen.report, when = newest(chosen.history)
    print(f"vitbench: latest is {chosen.report}, of {when:%Y-%m-%d %H:%M:%S %Z}", file=sys.stderr)
    return True
