"""`vitbench compare`: reports side by side."""

import argparse
import json
from pathlib import Path
from typing import Any

from vitbench.cli.codes import OK
from vitbench.cli.latest import LATEST, add_history, named, newest_of
from vitbench.errors import UserError


def register(commands: Any) -> None:
    compare = commands.add_parser("compare", help="reports side by side, what differs first")
    compare.add_argument(
        "reports", type=named, nargs="+", metavar="REPORT",
        help=f"files, one of which may be {LATEST}; the first is what others are compared with",
    )  # fmt: skip
    add_history(compare)
    compare.add_argument("--json", action="store_true", help="as JSON")
    compare.set_defaults(run=compare_reports)


def compare_reports(chosen: argparse.Namespace) -> int:
    """Two or more reports side by side."""
    from vitbench.history.store import load_files
    from vitbench.show.compare import comparison_json, comparison_text

    files = [each or newest_of(chosen.history) for each in chosen.reports]
    order = list(dict.fromkeys(map(str, files)))
    if len(order) < 2:
        raise UserError("compare wants two or more different reports: vitbench compare A B")
    history = load_files([Path(name) for name in order])
    print(
        json.dumps(comparison_json(history, order))
        if chosen.json
        else comparison_text(history, order)
    )
    return OK
