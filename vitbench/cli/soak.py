"""`vitbench soak CASE`: one arrangement under one rate for minutes; does it drift?"""

import argparse
from typing import Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.option import at_most
from vitbench.cli.options import SOAK, WEEK_MINUTES
from vitbench.cli.parsing import add
from vitbench.cli.session import case_session
from vitbench.errors import UserError

ARRANGEMENT = "1x1"
MOST_RATE = 50_000  # more than the generator of load sends


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
    from vitbench.case import Case
    from vitbench.duet.ending import cleaning_first
    from vitbench.load.arrangement import AUTO, parse
    from vitbench.load.measuring import Loads, LoadSettings
    from vitbench.load.samples import TENSOR, LoadSamples
    from vitbench.load.soak import Soak, soak

    words = f"{MOST_RATE}: the generator of load itself sends no more"
    at_most(MOST_RATE, words)("--rate", chosen.rate)
    if (batch := Case.parse(chosen.case).batch) != 1:
        one = chosen.case.removesuffix(f"b{batch}") + "b1"
        raise UserError(f"{chosen.case}: a query is one image, so load is of batch 1: name {one}")
    if chosen.arrangement == AUTO:
        raise UserError(
            f"--arrangement={AUTO}: a soak has one arrangement: name it, such as 2x1 or "
            f"2streamsx1; the default is {ARRANGEMENT}"
        )
    arrangement = parse(chosen.arrangement or ARRANGEMENT)
    if chosen.latency_bound is not None:
        arrangement.require_window(chosen.latency_bound)
    session, case = case_session(SOAK, chosen)
    settings = LoadSettings(
        arrangement.option,
        chosen.latency_bound,
        samples=LoadSamples.parse(chosen.load_samples or TENSOR),
    )
    asked = Soak(arrangement, chosen.rate, chosen.minutes)
    if asked.takes_minutes > WEEK_MINUTES:
        raise UserError(f"--rate {chosen.rate:g}: {asked.longer}: name a higher rate")
    if asked.longer:
        session.say(asked.longer)
    with cleaning_first():
        found = soak(Loads(session, settings), case, asked, lambda line: print(line, flush=True))
    print(found.words)
    return OK if found.in_time else BROKEN
