"""`vitbench history show`: each case's newest figures, and each change."""

import argparse
import json
from typing import Any

from vitbench.cli.history.reading import add_folder, load_history, reading_code


def register(commands: Any, name: str) -> None:
    show = commands.add_parser(name, help="each case's newest figures, and each change")
    add_folder(show)
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=show_history)


def show_history(chosen: argparse.Namespace) -> int:
    """1 where a file could not be read; the rest is shown all the same."""
    from vitbench.history.trends import trends
    from vitbench.show.history import history_text
    from vitbench.show.history_data import history_json

    history = load_history(chosen.folder, chosen.no_cache)
    if chosen.json:
        print(json.dumps(history_json(history, trends(history))))
    else:
        print(history_text(history, trends(history), str(chosen.folder)))
    return reading_code(history)
