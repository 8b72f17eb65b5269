"""`vitbench best`: which variant of a report to deploy, and why."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.latest import add_report, settle_report
from vitbench.cli.parsing import path_of
from vitbench.cli.price import add_price, why_unpriced, with_price
from vitbench.errors import UserError
from vitbench.judge.best import choose
from vitbench.judge.candidates import COST, NEEDS


def register(commands: Any) -> None:
    best = commands.add_parser("best", help="which variant of a report to deploy, and why")
    add_report(best)
    best.add_argument(
        "--need",
        choices=list(NEEDS),
        default="latency",
        help="what to choose by: the least of it, or of load the highest rate (default: latency)",
    )
    add_price(best)
    best.add_argument(
        "--min-agreement",
        type=share,
        default=0.96,
        metavar="SHARE",
        help="least agreement with fp32, 0 to 1 (default: 0.96)",
    )
    best.add_argument("--json", action="store_true", help="as JSON")
    best.add_argument("--plot", type=path_of, metavar="FILE", help="also write an HTML page")
    best.set_defaults(run=choose_variant)


def share(choices_text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(choices_text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{choices_text!r} is no share: give a number from 0 to 1")
    return value


def choose_variant(chosen: argparse.Namespace) -> int:
    """The variant to deploy for a need, and why each other one is not it."""
    from vitbench.report.reader import read_report, run_of
    from vitbench.show.best import choices_text, plot_choices

    settle_report(chosen)
    start = Path.cwd()
    report = with_price(read_report(chosen.report), chosen.price, start)
    if chosen.need == COST and (why := why_unpriced(report, start)):
        raise UserError(f"{chosen.report}: --need=cost needs a price: {why}")
    choices = choose(report, chosen.need, chosen.min_agreement)
    run = run_of(report)
    if run and not run.complete:
        cut = "INCOMPLETE: the run was cut short, or still goes on; of what it had finished"
        print(cut, file=sys.stderr if chosen.json else sys.stdout)
    if chosen.plot:
        plot_choices(choices, chosen.plot)
    if chosen.json:
        print(json.dumps([choice.to_json() for choice in choices], indent=2))
    else:
        print(choices_text(choices))
    return OK if all(choice.best for choice in choices) else BROKEN
