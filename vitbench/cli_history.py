"""`vitbench history` and `vitbench compare`: reports over time, and side by side."""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.judge.store import History

OK, DAMAGED = 0, 1
# As in `vitbench best`.
LEAST_AGREEMENT = 0.96


def add_commands(commands: Any) -> None:
    """The parsers of both commands, in the subparsers of `vitbench`."""
    history = commands.add_parser("history", help="reports over time, and what changed when")
    history.add_argument("folder", type=Path, nargs="?", default=Path("reports"), metavar="DIR")
    history.add_argument("--json", action="store_true", help="as JSON")
    history.add_argument("--csv", action="store_true", help="as CSV, a line per run and case")
    history.add_argument(
        "--html",
        type=Path,
        nargs="?",
        const=Path("reports/index.html"),
        metavar="FILE",
        help="write the page (default: reports/index.html)",
    )
    history.add_argument("--no-cache", action="store_true", help="read every report again")
    history.set_defaults(run=show_history)


def show_history(chosen: argparse.Namespace) -> int:
    """The history of a folder. 1 where a file could not be read; the rest is shown all the same."""
    from vitbench.judge.trends import trends
    from vitbench.show.history import text, to_csv, to_json

    history = _load(chosen.folder, chosen.no_cache)
    if chosen.html:
        _write_page(history, chosen.folder, chosen.html)
        print(f"wrote {chosen.html}")
    elif chosen.csv:
        print(to_csv(history), end="")
    elif chosen.json:
        print(json.dumps(to_json(history, trends(history))))
    else:
        print(text(history, trends(history), str(chosen.folder)))
    return _code(history)


def _write_page(history: "History", folder: Path, path: Path) -> None:
    from vitbench.judge.best import choose
    from vitbench.judge.report import read_report
    from vitbench.judge.trends import trends
    from vitbench.show.page import recommendations, write

    newest: dict[str, Any] = {}
    best: list[str] = []
    for run in reversed(history.runs):
        if run.plain or not run.complete:
            continue
        try:
            newest = read_report(folder / run.file)
            best = recommendations(choose(newest, "latency", LEAST_AGREEMENT))
            break
        except UserError:  # Of a run without paired timings there is nothing to recommend.
            newest = {}
    write(history, trends(history), newest, best, str(folder), path)


def _load(folder: Path, fresh: bool) -> "History":
    from vitbench.deploy.artifacts import default_folder
    from vitbench.judge.store import load

    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "replace")).hexdigest()[:16]
    history = load(folder, None if fresh else default_folder() / "history" / f"{name}.npz")
    if not history.runs and not history.damaged:
        raise UserError(
            f"{folder}: no reports (*.json) in it: `pytest --benchmark-only` writes one"
        )
    return history


def _code(history: "History") -> int:
    for why in history.damaged:
        print(f"vitbench: skipped: {why!s}".encode("ascii", "replace").decode(), file=sys.stderr)
    return DAMAGED if history.damaged else OK
