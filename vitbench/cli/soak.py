"""`vitbench soak CASE`: one arrangement under one rate for minutes; does it drift?"""

import argparse
from typing import Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.option import positive
from vitbench.cli.options import SOAK
from vitbench.cli.parsing import add
from vitbench.cli.session import case_session

ARRANGEMENT = "1x1"


def register(commands: Any) -> None:
    parser = commands.add_parser(SOAK, help="a case under a steady load for minutes")
    parser.add_argument("case", metavar="CASE", help="MODEL/VARIANT/DEVICE/bN, as of a report")
    parser.add_argument(
        "--rate", type=float, required=True, metavar="R", help="requests a second, Poisson arrivals"
    )
    add(parser, SOAK)
    parser.set_defaults(run=soak_case)


def soak_case(chosen: argparse.Namespace) -> int:
    """Prints a line for each minute and one on the drift. Returns 1 where more than 1 % were late.

    Raises UserError for a rate, an arrangement or a case that cannot be.
    """
    from vitbench.load.arrangement import parse
    from vitbench.load.measuring import Loads, LoadSettings
    from vitbench.load.samples import TENSOR, LoadSamples
    from vitbench.load.soak import Soak, soak

    positive("--rate", chosen.rate)
    arrangement = parse(chosen.arrangement or ARRANGEMENT)
    session, case = case_session(SOAK, chosen)
    settings = LoadSettings(
        arrangement.option,
        chosen.latency_bound,
        samples=LoadSamples.parse(chosen.load_samples or TENSOR),
    )
    asked = Soak(arrangement, chosen.rate, chosen.minutes)
    found = soak(Loads(session, settings), case, asked, lambda line: print(line, flush=True))
    print(found.words)
    return OK if found.in_time else BROKEN
