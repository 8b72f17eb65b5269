"""`vitbench history page`: all reports as one page that works offline."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.folders import REPORTS
from vitbench.cli.history.reading import add_folder, load_history, reading_code
from vitbench.cli.parsing import path_of
from vitbench.errors import UserError
from vitbench.show.clean import clean

if TYPE_CHECKING:
    from vitbench.history.store import History

PAGE = REPORTS / "index.html"


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
    from vitbench.show.page_data import NOTHING
    from vitbench.show.page_flips import without_thumbnails

    timed, loaded = (_newest(history, folder, need) for need in ("latency", LOAD))
    newest = timed[0].report if timed else {}
    newest = newest if thumbnails else without_thumbnails(newest)
    several = len({each.machine for each in (*timed, *loaded)}) > 1
    best = [words for each in (*timed, *loaded) for words in each.recommended(several)]
    shown = (loaded[0].name, loaded[0].report) if loaded else NOTHING
    fronts = {each.host_class: each.front for each in timed}
    write(history, trends(history), newest, best, folder.resolve().name, path, shown, fronts)


@dataclass(frozen=True)
class Newest:
    """The newest whole report of a machine that has something to recommend, as `sentences`.
    `name`: its file and date. `front`: of each case that is chosen from, whether it is there."""

    machine: str
    host_class: str
    name: str
    report: dict[str, Any]
    sentences: list[str]
    front: dict[str, bool]

    def recommended(self, several: bool) -> list[str]:
        """The sentences, with the machine where the history has several."""
        start = f"{self.machine} ({self.name}): " if several else ""
        return [clean(f"{start}{words}") for words in self.sentences]


def _newest(history: "History", folder: Path, need: str) -> list[Newest]:
    """Of each machine, the newest report first."""
    from vitbench.history.series import newest_first
    from vitbench.judge.best import choose
    from vitbench.judge.candidates import LEAST_AGREEMENT
    from vitbench.judge.load import LOAD
    from vitbench.report.reader import read_report
    from vitbench.report.sound import left_out
    from vitbench.show.page_data import recommendations

    rates = history.column("server_rate")
    having = set(history.column("run")[rates >= 0].astype(int).tolist())  # not to read the others
    found: dict[str, Newest] = {}
    for index in newest_first(history):
        run = history.runs[index]
        if run.plain or not run.complete or (need == LOAD and index not in having):
            continue
        if (host_class := run.classes[""]) in found:
            continue
        try:
            report = read_report(folder / run.file)
            if left_out(report):
                raise UserError("a recommendation from a part of its cases would mislead")
            choices = choose(report, need, LEAST_AGREEMENT)
            words, name = recommendations(choices), f"{run.file}, {run.date} UTC"
            front = {x.case: x.case in each.front for each in choices for x in each.candidates}
            found[host_class] = Newest(run.machine, host_class, name, report, words, front)
        except UserError:  # Nor is there anything to recommend of a run without such figures.
            continue
    return [*found.values()]
