"""The history as one HTML page that works offline: template, style, code, Plotly and data in it."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.history.store import History
from vitbench.history.trends import Trend
from vitbench.place import install
from vitbench.show.page_data import NO_FRONTS, NOTHING, Fronts, data


def write(
    history: History, found: Sequence[Trend], newest: Mapping[str, Any], best: Sequence[str],
    folder: str, path: Path, loaded: tuple[str, Mapping[str, Any]] = NOTHING,
    fronts: Fronts = NO_FRONTS,
) -> None:  # fmt: skip
    """Write the page to `path`. `newest` is the report whose predictions are shown, {} for none;
    `loaded`: name and report whose cases under load are; `fronts`: as `data` takes them.

    Raises UserError where plotly is not installed or the file cannot be written.
    """
    page = render(data(history, found, newest, best, folder, loaded, fronts))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot write there: {error.strerror}") from error


def render(content: Mapping[str, Any]) -> str:
    """The page around its data. No text of a report stands outside the escaped JSON."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UserError(f"a page needs plotly: {install('history')}") from error
    parts = {
        "@CSS@": _part("page.css"), "@JS@": _part("page.js"), "@PLOTLY@": get_plotlyjs(),
        "@DATA@": escaped(content),
    }  # fmt: skip
    # One pass, so that a part that happens to hold a mark of the template is left as it is.
    pieces = _part("page.html").split("@")
    return "".join(parts.get(f"@{piece}@", piece) for piece in pieces)


def escaped(content: Any) -> str:
    """JSON that may stand in a script element: nothing in it ends the element or begins markup."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _part(name: str) -> str:
    return files("vitbench.show").joinpath(name).read_text(encoding="utf-8")
