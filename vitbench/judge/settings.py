"""What `[tool.vitbench]` of a pyproject.toml says beside its contracts."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError

KEYS = ("contracts", "history_since")
"""The keys of `[tool.vitbench]`."""


@dataclass(frozen=True)
class Settings:
    """`history_since`: from this day on the history of a gate must not be empty. None: always."""

    history_since: date | None = None


def read_settings(path: Path) -> Settings:
    """The settings of a pyproject.toml; the defaults where there is none, or no such table.

    Raises UserError, which names the file and the line, for what cannot be read or meant.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found: Any = tomllib.loads(text)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise UserError(f"{path}: cannot read the settings: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise UserError(f"{path}: not a TOML file: {error}") from error
    for key in ("tool", "vitbench"):
        found = found.get(key, {})
        if not isinstance(found, dict):
            raise UserError(f"{path}: {key} should be a table")
    refuse_unknown(found, path, text)
    since = found.get("history_since")
    return Settings(None if since is None else _day(since, path, text))


def refuse_unknown(table: Mapping[str, Any], path: Path, text: str) -> None:
    """Raises UserError for a key of `[tool.vitbench]`, in `text`, that means nothing."""
    unknown = next((name for name in table if name not in KEYS), None)
    if unknown is not None:
        raise UserError(
            f"{path}:{_line(text, unknown)}: [tool.vitbench] has no key {unknown!r}: it may have "
            f"{' and '.join(KEYS)}"
        )


def _day(value: Any, path: Path, text: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        where = f"{path}:{_line(text, 'history_since')}"
        raise UserError(
            f'{where}: history_since is {value!r}: give a day such as "2026-12-01"'
        ) from error


def _line(text: str, key: str) -> int:
    """The line, from 1, of a key of `[tool.vitbench]`, or of a table below it."""
    form = re.compile(rf"""\s*(\[.*\bvitbench\s*\.\s*)?["']?{re.escape(key)}\b""")
    return next((n for n, each in enumerate(text.splitlines(), 1) if form.match(each)), 1)
