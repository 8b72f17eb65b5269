"""`vitbench show`: the table of a report."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.cli.codes import OK
from vitbench.cli.latest import add_report, settle_report
from vitbench.cli.price import add_price, with_price


def register(commands: Any) -> None:
    show = commands.add_parser("show", help="the table of a report")
    add_report(show)
    add_price(show)
    show.set_defaults(run=show_report)


def show_report(chosen: argparse.Namespace) -> int:
    """The table of a report, as it stood at the end of its run."""
    import shutil

    from vitbench.report.reader import read_report
    from vitbench.show.table import table

    settle_report(chosen)
    report = with_price(read_report(chosen.report), chosen.price, Path.cwd())
    print(table(report, shutil.get_terminal_size((180, 24)).columns))
    return OK
