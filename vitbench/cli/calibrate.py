"""`vitbench calibrate`: what the gate can see on this machine."""

import argparse
import json
from pathlib import Path
from typing import Any

from vitbench.cli.chosen import chosen_cases
from vitbench.cli.options import CALIBRATE, add, checked
from vitbench.cli.session import say
from vitbench.judge.verdict import PASS
from vitbench.report.files import write


def register(commands: Any) -> None:
    calibrate = commands.add_parser(CALIBRATE, help="what the gate can see on this machine")
    add(calibrate, CALIBRATE)
    calibrate.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        default=Path("reports/calibrations/here.json"),
        help="where the blocks are kept (default: reports/calibrations/here.json)",
    )
    calibrate.add_argument("--plot", type=Path, metavar="FILE", help="also write an HTML page")
    calibrate.set_defaults(run=calibrate_gate)


def calibrate_gate(chosen: argparse.Namespace) -> int:
    """Record blocks of this checkout against itself, and say what the gate makes of them."""
    from vitbench.duet.aa_run import summarize
    from vitbench.duet.calibrate import VARIANTS, read_recording, record
    from vitbench.duet.rule import Rule
    from vitbench.show.aa_run import plot, text

    checked(CALIBRATE, vars(chosen))  # also where no session reads them
    if chosen.minutes:
        options, found = chosen_cases(CALIBRATE, chosen, VARIANTS)
        recording = record(options, found, chosen.minutes, chosen.output, say)
    else:
        recording = read_recording(chosen.output)
    summary = summarize(recording, Rule(chosen.tolerance, chosen.blocks_max))
    write(chosen.output, json.dumps({**recording, "summary": summary}))
    print(text(summary))
    if chosen.plot:
        plot(summary, chosen.plot)
    return PASS
