"""`vitbench accept`: make a report the baseline of its machine."""

import argparse
from typing import Any

from vitbench.cli.folders import BASELINES
from vitbench.cli.latest import add_report, settle_report
from vitbench.cli.parsing import path_of
from vitbench.judge.verdict import PASS


def register(commands: Any) -> None:
    accept = commands.add_parser("accept", help="make a report the baseline of its machine")
    add_report(accept)
    accept.add_argument(
        "--baselines",
        type=path_of,
        metavar="DIR",
        default=BASELINES,
        help=f"where it is put; commit it (default: {BASELINES})",
    )
    accept.add_argument(
        "--selected",
        action="store_true",
        help="also a report of fewer cases than the suite has (-k, --variant, a file)",
    )
    accept.set_defaults(run=run_accept)


def run_accept(chosen: argparse.Namespace) -> int:
    """Promotes a report; says what it replaces."""
    from vitbench.gate.accepted import accept
    from vitbench.show.clean import clean

    settle_report(chosen)
    print(clean(accept(chosen.report, chosen.baselines, chosen.selected)))
    return PASS
