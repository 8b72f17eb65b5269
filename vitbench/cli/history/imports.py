"""`vitbench history import`: old figures of another tool."""

import argparse
import sys
from typing import Any

from vitbench.cli.codes import OK
from vitbench.cli.folders import REPORTS
from vitbench.cli.parsing import path_of


def register(commands: Any, name: str) -> None:
    command = commands.add_parser(name, help="add old figures of pytest-benchmark or timm")
    command.add_argument(
        "files", type=path_of, nargs="+", metavar="FILE",
        help="JSON of pytest-benchmark, or CSV or JSON of timm's benchmark.py",
    )  # fmt: skip
    command.add_argument(
        "--into",
        type=path_of,
        default=REPORTS,
        metavar="DIR",
        help=f"the folder of reports; they go to its folder imported (default: {REPORTS})",
    )
    command.set_defaults(run=import_files)


def import_files(chosen: argparse.Namespace) -> int:
    """Writes what the files hold as reports, and says where; all or none."""
    from vitbench.report.importers import read_all, write_all
    from vitbench.show.clean import clean

    found = read_all(chosen.files, chosen.into / "imported")
    write_all(found)
    for each in found:
        count = len(each.report["benchmarks"])
        guessed = f" ({each.guessed})" if each.guessed else ""
        print(f"wrote {each.target}{guessed}: {count} figure{'s' * (count != 1)}")
        for why in each.remarks:
            print(clean(f"vitbench: {each.target.name}: left out: {why}"), file=sys.stderr)
    return OK
