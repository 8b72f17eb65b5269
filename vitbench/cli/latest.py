"""The report that a command is about: a file, or `latest`."""

import argparse
import sys
from pathlib import Path

from vitbench.cli.folders import HISTORY
from vitbench.cli.parsing import path_of

LATEST = "latest: the newest of the history (a file of that name is ./latest)"


def named(text: str) -> Path | None:
    """The file that a REPORT names; None for the newest one. (`./latest` is a file.)"""
    return None if text == "latest" else path_of(text)


def add_report(command: argparse.ArgumentParser, *also: str) -> None:
    """The argument REPORT, and the folder in which `latest`, and what `also` names, look."""
    command.add_argument("report", type=named, metavar="REPORT", help=f"a file, or {LATEST}")
    add_history(command, *also)


def add_reports(command: argparse.ArgumentParser) -> None:
    """As `add_report`, of one or several."""
    words = f"files, or {LATEST}"
    command.add_argument("reports", type=named, nargs="+", metavar="REPORT", help=words)
    add_history(command)


def add_history(command: argparse.ArgumentParser, *also: str) -> None:
    """The folder in which `latest`, and what `also` names, look."""
    words = " and ".join(("latest", *also))
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
    if chosen.report is not None:
        return False
    chosen.report = newest_of(chosen.history)
    return True


def newest_of(history: Path) -> Path:
    """The newest report of a history, and says which it is.

    Raises UserError where there is none, or where a file may be it that cannot be read.
    """
    from vitbench.report.newest import newest

    report, when = newest(history)
    print(f"vitbench: latest is {report}, of {when:%Y-%m-%d %H:%M:%S %Z}", file=sys.stderr)
    return report
