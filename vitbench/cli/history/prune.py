"""`vitbench history prune`: which old reports can go without losing a change."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from vitbench.cli.folders import BASELINES
from vitbench.cli.history.reading import add_folder, load_history, reading_code
from vitbench.cli.parsing import path_of
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.history.store import History


def register(commands: Any, name: str) -> None:
    prune = commands.add_parser(name, help="which old reports could go without losing a change")
    add_folder(prune)
    prune.add_argument(
        "--keep",
        type=days,
        required=True,
        metavar="Nd",
        help="name which of vitbench's reports N days older than the newest could go, such as 365d",
    )
    prune.add_argument("--delete", action="store_true", help="delete them, an accepted one never")
    prune.add_argument(
        "--baselines",
        type=path_of,
        metavar="DIR",
        default=BASELINES,
        help=f"where accepted ones are (default: {BASELINES})",
    )
    prune.set_defaults(run=prune_history)


def prune_history(chosen: argparse.Namespace) -> int:
    """Names the reports that can go, and deletes them if asked to; then what is left, and why."""
    from vitbench.history.remarks import remarks

    history = load_history(chosen.folder, chosen.no_cache)
    _prune(history, chosen)
    return reading_code(history, remarks(history))


def days(text: str) -> float:
    """Seconds of a text such as 365d."""
    number = text.removesuffix("d")
    if not text.endswith("d") or not number.isascii() or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of days, such as 365d")
    return float(number) * 86400


def _prune(history: "History", chosen: argparse.Namespace) -> None:
    """Names the reports that can go, and deletes them if asked to; then what is left, and why."""
    from vitbench.history.prune import accepted_in, copies, prunable, spared
    from vitbench.history.trends import trends

    folder, delete = chosen.folder, chosen.delete
    runs = prunable(history, trends(history), chosen.keep)
    accepted = accepted_in(folder, chosen.baselines) if runs else []
    twins = copies(history) if runs else {}
    left, gone = [], 0
    for run in runs:
        path = folder / run.file
        why = spared(run, folder, accepted)
        if not why and run.file in twins:
            why = f"{folder / twins[run.file]} is a copy of it, and either may be a baseline"
        if not why and delete:
            try:
                path.unlink()
            except OSError as error:
                why = f"cannot delete it: {error.strerror}"
        if why:
            left.append(f"{path}: {why}")
        else:
            print(path)
            gone += 1
    for words in left:
        print(f"vitbench: left: {words}", file=sys.stderr)
    what = "deleted" if delete else "could go; --delete deletes them"
    kept = f", {len(left)} old one{'s' * (len(left) != 1)} left" if left else ""
    print(f"{gone} of {len(history.runs)} reports {what}{kept}", file=sys.stderr)
    if failed := sum("cannot delete" in words for words in left):
        raise UserError(f"{failed} of {len(runs)} old reports could not be deleted: see above")
