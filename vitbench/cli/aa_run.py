"""`vitbench aa-run`: what the gate can see on this machine."""

import argparse
import json
from pathlib import Path
from typing import Any

from vitbench.cli.chosen import chosen_cases
from vitbench.cli.options import AA_RUN
from vitbench.cli.parsing import add, checked, path_of
from vitbench.cli.session import say
from vitbench.judge.verdict import PASS
from vitbench.report.files import write


def register(commands: Any) -> None:
    aa_run = commands.add_parser(AA_RUN, help="what the gate can see on this machine")
    add(aa_run, AA_RUN)
    aa_run.add_argument(
        "-o",
        "--output",
        type=path_of,
        metavar="FILE",
        default=Path("reports/aa-runs/here.json"),
        help="where the blocks are written (default: reports/aa-runs/here.json)",
    )
    aa_run.add_argument("--plot", type=path_of, metavar="FILE", help="also write an HTML page")
    aa_run.set_defaults(run=play_aa_run)


def play_aa_run(chosen: argparse.Namespace) -> int:
    """Record blocks of this checkout against itself, and say what the gate makes of them."""
    from vitbench.duet.aa.run import AA_VARIANTS, read_recording, record
    from vitbench.duet.aa.summary import summarize
    from vitbench.duet.rule import Rule
    from vitbench.show.aa_run import aa_run_text, plot_aa_run

    checked(AA_RUN, vars(chosen))  # also where no session reads them
    if chosen.minutes:
        options, found = chosen_cases(AA_RUN, chosen, AA_VARIANTS)
        recording = record(options, found, chosen.minutes, chosen.output, say)
    else:
        recording = read_recording(chosen.output)
    summary = summarize(recording, Rule(chosen.tolerance, chosen.blocks_max))
    write(chosen.output, json.dumps({**recording, "summary": summary}))
    print(aa_run_text(summary))
    if chosen.plot:
        plot_aa_run(summary, chosen.plot)
    return PASS
