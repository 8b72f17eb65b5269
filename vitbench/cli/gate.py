"""`vitbench gate`: a report against earlier ones and against contracts. Without torch."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.cli.folders import BASELINES
from vitbench.cli.judging import run_gate
from vitbench.cli.latest import add_report
from vitbench.cli.parsing import path_of


def register(commands: Any) -> None:
    gate = commands.add_parser(
        "gate", help="compare a report with earlier ones, and judge contracts"
    )
    add = gate.add_argument
    add_report(gate, "median:N")
    add(
        "--baseline",
        metavar="FILE|accepted|latest|median:N",
        help="what to compare it with (default: accepted; nothing with --contracts)",
    )
    add(
        "--baselines",
        type=path_of,
        metavar="DIR",
        default=BASELINES,
        help=f"where accepted baselines are (default: {BASELINES})",
    )
    add(
        "--rename",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="what the baseline calls OLD is NEW here: a model, case, test or file of tests",
    )
    add(
        "--tolerance",
        type=fraction,
        metavar="SHARE",
        default=0.15,
        help="by how much a case may take longer (default: 0.15)",
    )
    add(
        "--size-tolerance",
        type=fraction,
        metavar="SHARE",
        default=0.01,
        help="by how much its artifact and peak memory may grow (default: 0.01)",
    )
    add(
        "--process-spread",
        type=fraction,
        metavar="SHARE",
        help="spread between processes of unchanged code (default: 0.026)",
    )
    add(
        "--inconclusive",
        choices=["fail", "pass"],
        default="fail",
        help="whether what it cannot tell fails (default: fail)",
    )
    add(
        "--uncompared-days",
        type=days,
        metavar="DAYS",
        default=14,
        help="how long nothing may have been compared before that fails (default: 14)",
    )
    add(
        "--contracts",
        type=path_of,
        nargs="?",
        metavar="FILE",
        const=Path("pyproject.toml"),
        help="also judge a project's contracts (FILE: pyproject.toml)",
    )
    add("--markdown", type=path_of, metavar="FILE", help="also write a table for a pull request")
    add("--junit", type=path_of, metavar="FILE", help="also write JUnit XML")
    add("--json", type=path_of, metavar="FILE", help="also write all figures as JSON")
    gate.set_defaults(run=run_gate)


def fraction(text: str) -> float:
    """A number above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: give a number such as 0.05")
    return value


def days(text: str) -> float:
    """A number of days, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e5:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: give one such as 14")
    return value
