"""`vitbench fleet run`: the cases of the suite on each host class of a Ray cluster."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.fleet.playing import add_options, option_words, play
from vitbench.cli.folders import HISTORY
from vitbench.cli.options import FLEET
from vitbench.cli.parsing import add
from vitbench.errors import counted


def register(commands: Any, name: str) -> None:
    run = commands.add_parser(name, help="the cases of the suite on each class of hosts")
    own = run.add_argument
    own("tests", nargs="*", metavar="PATH", help="tests of the suite (default: all)")
    own("--pyargs", action="store_true", help="each PATH is a module, as pytest's --pyargs")
    own("-k", metavar="EXPR", help="which tests, as pytest's -k")
    add_options(run)
    add(run, FLEET)
    run.set_defaults(run=run_fleet)


def run_fleet(chosen: argparse.Namespace) -> int:
    """Measures each case on each class, writes a report for each host and prints one table. Returns
    1 where a case failed or is lost."""
    from vitbench.fleet.receipts import FAILED
    from vitbench.fleet.reports import report_words, write_reports
    from vitbench.fleet.slow import slow_words
    from vitbench.fleet.table import fleet_text

    folder = Path(chosen.reports or HISTORY)
    played = play(chosen, arguments_of(chosen), lambda found: write_reports(found, folder))
    end, written = played.end, played.reports
    print(fleet_text(end.plan, end.receipts, end.lost, written))
    print(f"artifacts: {played.built} built, {played.taken} taken from another host of the class")
    told = [*slow_words(end.plan, end.receipts), *report_words(end.plan, written)]
    print(*told, f"receipts: {played.receipts.folder}", sep="\n")
    if end.lost:
        lost = counted(len(end.lost), "case")
        print(f"{lost} lost: `vitbench fleet run --resume` tries again")
    failed = any(each.state == FAILED for each in end.receipts.values())
    return BROKEN if end.lost or failed or any(each.wrong for each in written) else OK


def arguments_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    """The tests and options of the run, as pytest on a host takes them. Raises UserError for a bad
    value."""
    words = [*(["--pyargs"] if chosen.pyargs else []), *chosen.tests]
    words += ["-k", chosen.k] if chosen.k else []
    return (*words, *option_words(FLEET, chosen))
