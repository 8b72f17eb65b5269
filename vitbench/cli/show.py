"""`vitbench show`: the table of a report."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.cli.codes import OK


def register(commands: Any) -> None:
    show = commands.add_parser("show", help="the table of a report")
    show.add_argument("report", type=Path)
    show.set_defaults(run=show_report)


def show_report(chosen: argparse.Namespace) -> int:
    """The table of a report, as it stood at the end of its run."""
    import shutil

    from vitbench.report.reader import read_report
    from vitbench.show.text import table

    print(table(read_report(chosen.report), shutil.get_terminal_size((180, 24)).columns))
    return OK
