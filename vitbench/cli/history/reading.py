"""The folder of reports that `vitbench history` reads, and what of it could not be read."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.cli.folders import REPORTS
from vitbench.cli.parsing import path_of
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.history.store import History

OK, DAMAGED = 0, 1


def add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        type=path_of,
        nargs="?",
        default=REPORTS,
        metavar="DIR",
        help=f"all reports in it and below (default: {REPORTS})",
    )
    command.add_argument("--no-cache", action="store_true", help="read every report again")


def load_history(folder: Path, fresh: bool) -> "History":
    from vitbench.build.artifacts import default_folder
    from vitbench.history.store import load

    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "replace")).hexdigest()[:16]
    history = load(folder, None if fresh else default_folder() / "history" / f"{name}.npz")
    if not history.runs and not history.damaged:
        raise UserError(
            f"{folder}: no reports (*.json) in it: `pytest --benchmark-only` writes one"
        )
    return history


def reading_code(history: "History", remarks: Sequence[str] = ()) -> int:
    """1 where a file could not be read, which stderr names; the remarks go there too."""
    from vitbench.show.clean import clean

    lines = [f"skipped: {why}" for why in history.damaged] + [f"note: {why}" for why in remarks]
    for why in lines:
        line = clean(f"vitbench: {why}").encode("ascii", "replace").decode()
        print(line, file=sys.stderr)
    return DAMAGED if history.damaged else OK
