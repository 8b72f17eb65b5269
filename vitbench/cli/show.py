"""`vitbench show`: the table of a report, or of several machines."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.cli.codes import OK
from vitbench.cli.latest import add_reports, newest_of
from vitbench.cli.price import add_prices, prices_by_report, with_price


def register(commands: Any) -> None:
    show = commands.add_parser("show", help="the table of a report, or of several machines")
    add_reports(show)
    add_prices(show)
    show.set_defaults(run=show_reports)


def show_reports(chosen: argparse.Namespace) -> int:
    """The table of a report, as it stood at the end of its run; of several reports one table with
    columns for each class of machine."""
    import shutil

    from vitbench.judge.candidates import LEAST_AGREEMENT
    from vitbench.judge.host_classes import host_classes
    from vitbench.judge.machines import Named
    from vitbench.report.reader import read_report
    from vitbench.show.host_classes import classes_text
    from vitbench.show.table import table

    prices = prices_by_report(chosen.price, chosen.reports)
    found = {}
    for each in chosen.reports:
        file = newest_of(chosen.history) if each is None else each
        found[file.resolve()] = Named(
            str(file), with_price(read_report(file), prices.get(each), Path.cwd())
        )
    reports = [*found.values()]
    if len(reports) == 1:
        print(table(reports[0].report, shutil.get_terminal_size((180, 24)).columns))
    else:
        print(classes_text(host_classes(reports), LEAST_AGREEMENT))
    return OK
