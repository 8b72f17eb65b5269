"""`vitbench history page`: all reports as one page that works offline."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.folders import REPORTS
from vitbench.cli.history.reading import add_folder, load_history, reading_code
from vitbench.cli.parsing import path_of
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.history.store import History

PAGE = REPORTS / "index.html"
LEAST_AGREEMENT = 0.96
"""As in `vitbench best`."""


def register(commands: Any, name: str) -> None:
    page = commands.add_parser(name, help="one page of all reports, which works offline")
    add_folder(page)
    page.add_argument(
        "-o",
        "--output",
        type=path_of,
        default=PAGE,
        metavar="FILE",
        help=f"where it is written (default: {PAGE})",
    )
    page.add_argument("--no-thumbnails", action="store_true", help="a page without photographs")
    page.set_defaults(run=write_page)


def write_page(chosen: argparse.Namespace) -> int:
    """1 where a file could not be read; the page is of the rest."""
    from vitbench.history.remarks import remarks

    history = load_history(chosen.folder, chosen.no_cache)
    _write(history, chosen.folder, chosen.output, not chosen.no_thumbnails)
    print(f"wrote {chosen.output}")
    return reading_code(history, remarks(history))


def _write(history: "History", folder: Path, path: Path, thumbnails: bool) -> None:
    from vitbench.history.trends import trends
    from vitbench.judge.load import LOAD
    from vitbench.show.page import write
    from vitbench.show.page_flips import without_thumbnails

    _, newest, best = _newest(history, folder, "latency")
    name, loaded, carried = _newest(history, folder, LOAD)
    newest = newest if thumbnails else without_thumbnails(newest)
    place = folder.resolve().name
    write(history, trends(history), newest, [*best, *carried], place, path, (name, loaded))


def _newest(history: "History", folder: Path, need: str) -> tuple[str, dict[str, Any], list[str]]:
    """The newest whole report that has something to recommend for a need: its name, itself and the
    recommendations; nothing where there is none."""
    from vitbench.history.series import newest_first
    from vitbench.judge.best import choose
    from vitbench.judge.load import LOAD
    from vitbench.report.reader import read_report
    from vitbench.report.sound import left_out
    from vitbench.show.page_data import recommendations

    rates = history.column("server_rate")
    having = set(history.column("run")[rates >= 0].astype(int).tolist())  # not to read the others
    for index in newest_first(history):
        run = history.runs[index]
        if run.plain or not run.complete or (need == LOAD and index not in having):
            continue
        try:
            report = read_report(folder / run.file)
            if left_out(report):
                raise UserError("a recommendation from a part of its cases would mislead")
            name = f"{run.file}, {run.date} UTC"
            return name, report, recommendations(choose(report, need, LEAST_AGREEMENT))
        except UserError:  # Nor is there anything to recommend of a run without such figures.
            continue
    return "", {}, []
