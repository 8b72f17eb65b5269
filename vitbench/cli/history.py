"""`vitbench history` and `vitbench compare`: reports over time, and side by side."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.folders import BASELINES
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.history.store import History

OK, DAMAGED = 0, 1
# As in `vitbench best`.
LEAST_AGREEMENT = 0.96
EXPORTS = ("github", "asv", "csv", "prometheus")


def register(commands: Any) -> None:
    """The parsers of both commands, in the subparsers of `vitbench`."""
    history = commands.add_parser("history", help="reports over time, and what changed when")
    history.add_argument(
        "folder", type=Path, nargs="?", default=Path("reports"), metavar="DIR",
        help="all reports in it and below (default: reports)",
    )  # fmt: skip
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
    history.add_argument(
        "--no-thumbnails", action="store_true", help="with --html: a page without photographs"
    )
    history.add_argument("--no-cache", action="store_true", help="read every report again")
    history.add_argument("--export", choices=list(EXPORTS), help="for another tool")
    history.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="where --export writes: a file, for asv a folder (default: print)",
    )
    history.add_argument(
        "--import",
        dest="imported",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="add old figures first: pytest-benchmark or timm",
    )
    history.add_argument(
        "--keep",
        type=days,
        metavar="Nd",
        help="name which of vitbench's reports older than N days could go without losing a change",
    )
    history.add_argument(
        "--delete", action="store_true", help="with --keep: delete them, an accepted one never"
    )
    history.add_argument(
        "--baselines",
        type=Path,
        metavar="DIR",
        default=BASELINES,
        help=f"where accepted ones are, for --keep (default: {BASELINES})",
    )
    history.set_defaults(run=show_history)


def show_history(chosen: argparse.Namespace) -> int:
    """The history of a folder. 1 where a file could not be read; the rest is shown all the same."""
    from vitbench.history.remarks import remarks
    from vitbench.history.trends import trends
    from vitbench.show.history import text, to_csv, to_json

    _import(chosen.imported, chosen.folder)
    history = _load(chosen.folder, chosen.no_cache)
    if chosen.output and not chosen.export:
        raise UserError("--output goes with --export: say for which tool, such as --export=csv")
    if chosen.delete and chosen.keep is None:
        raise UserError("--delete goes with --keep: say how many days stay, such as --keep=365d")
    if chosen.keep is not None:
        _prune(history, chosen)
    elif chosen.export:
        _export(history, chosen.export, chosen.output)
    elif chosen.html:
        _write_page(history, chosen.folder, chosen.html, not chosen.no_thumbnails)
        print(f"wrote {chosen.html}")
    elif chosen.csv:
        print(to_csv(history), end="")
    elif chosen.json:
        print(json.dumps(to_json(history, trends(history))))
    else:
        print(text(history, trends(history), str(chosen.folder)))
    elsewhere = chosen.keep is not None or chosen.export or chosen.html or chosen.csv
    return _code(history, remarks(history) if elsewhere else ())


def days(text: str) -> float:
    """Seconds of a text such as 365d."""
    number = text.removesuffix("d")
    if not text.endswith("d") or not number.isascii() or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of days, such as 365d")
    return float(number) * 86400


def _prune(history: "History", chosen: argparse.Namespace) -> None:
    """Names the reports that can go, and deletes them if told to; then what is left, and why."""
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


def _import(paths: Sequence[Path], folder: Path) -> None:
    """Write what the files hold as reports into `folder`/imported, and tell where; all or none."""
    from vitbench.report.importers import read_all, write_all
    from vitbench.show.history import clean

    found = read_all(paths, folder / "imported")
    write_all(found)
    for each in found:
        count = len(each.report["benchmarks"])
        guessed = f" ({each.guessed})" if each.guessed else ""
        print(f"wrote {each.target}{guessed}: {count} figure{'s' * (count != 1)}", file=sys.stderr)
        for why in each.remarks:
            print(clean(f"vitbench: {each.target.name}: left out: {why}"), file=sys.stderr)


def _export(history: "History", kind: str, output: Path | None) -> None:
    from vitbench.show import exports
    from vitbench.show.history import to_csv

    if kind == "asv":
        if output is None:
            raise UserError("--export asv writes a folder: name it with --output")
        files = {output / name: text for name, text in exports.asv(history).items()}
        if omitted := exports.without_commit(history):
            words = f"{len(omitted)} without a commit, which asv cannot have: {', '.join(omitted)}"
            print(f"vitbench: left out: {words}", file=sys.stderr)
    else:
        writers = {"csv": to_csv, "github": exports.github, "prometheus": exports.prometheus}
        text = writers[kind](history)
        if output is None:
            print(text, end="")
            return
        files = {output: text}
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {output}: cannot write there: {error.strerror}") from error


def _write_page(history: "History", folder: Path, path: Path, thumbnails: bool) -> None:
    from vitbench.history.series import newest_first
    from vitbench.history.trends import trends
    from vitbench.judge.best import choose
    from vitbench.report.reader import read_report
    from vitbench.report.sound import left_out
    from vitbench.show.page import recommendations, without_thumbnails, write

    newest: dict[str, Any] = {}
    best: list[str] = []
    for run in (history.runs[index] for index in newest_first(history)):
        if run.plain or not run.complete:
            continue
        try:
            newest = read_report(folder / run.file)
            if left_out(newest):
                raise UserError("a recommendation from a part of its cases would mislead")
            best = recommendations(choose(newest, "latency", LEAST_AGREEMENT))
            break
        except UserError:  # Nor is there anything to recommend of a run without paired timings.
            newest = {}
    newest = newest if thumbnails else without_thumbnails(newest)
    write(history, trends(history), newest, best, folder.resolve().name, path)


def _load(folder: Path, fresh: bool) -> "History":
    from vitbench.build.artifacts import default_folder
    from vitbench.history.store import load

    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "replace")).hexdigest()[:16]
    history = load(folder, None if fresh else default_folder() / "history" / f"{name}.npz")
    if not history.runs and not history.damaged:
        raise UserError(
            f"{folder}: no reports (*.json) in it: `pytest --benchmark-only` writes one"
        )
    return history


def _code(history: "History", remarks: Sequence[str]) -> int:
    from vitbench.show.history import clean

    told = [f"skipped: {why}" for why in history.damaged] + [f"note: {why}" for why in remarks]
    for why in told:
        line = clean(f"vitbench: {why}").encode("ascii", "replace").decode()
        print(line, file=sys.stderr)
    return DAMAGED if history.damaged else OK
