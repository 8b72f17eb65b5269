"""`vitbench history export`: the figures for another tool."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.history.reading import add_folder, load_history, reading_code
from vitbench.cli.parsing import path_of
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.history.store import History

FORMATS = ("github", "asv", "csv", "prometheus")


def register(commands: Any, name: str) -> None:
    export = commands.add_parser(name, help="the figures for another tool")
    add_folder(export)
    export.add_argument(
        "--format",
        choices=FORMATS,
        required=True,
        help="whose; csv has a line per run and case",
    )
    export.add_argument(
        "-o",
        "--output",
        type=path_of,
        metavar="PATH",
        help="where they are written: a file, for asv a folder (default: print)",
    )
    export.set_defaults(run=export_history)


def export_history(chosen: argparse.Namespace) -> int:
    """1 where a file could not be read; the rest is exported all the same."""
    from vitbench.history.remarks import remarks

    history = load_history(chosen.folder, chosen.no_cache)
    _export(history, chosen.format, chosen.output)
    return reading_code(history, remarks(history))


def _export(history: "History", kind: str, output: Path | None) -> None:
    from vitbench.show import exports
    from vitbench.show.history_data import history_csv

    if kind == "asv":
        if output is None:
            raise UserError("asv takes a folder: name it with --output=DIR")
        files = {output / name: text for name, text in exports.asv(history).items()}
        if omitted := exports.without_commit(history):
            words = f"{len(omitted)} without a commit, which asv cannot have: {', '.join(omitted)}"
            print(f"vitbench: left out: {words}", file=sys.stderr)
    else:
        writers = {"csv": history_csv, "github": exports.github, "prometheus": exports.prometheus}
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
    print(f"wrote {output}")
