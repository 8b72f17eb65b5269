"""What `[tool.vitbench]` of a pyproject.toml says beside its contracts."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError

KNOWN = ("contracts", "history_since")
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
    since = found.get("history_since")
    return Settings(None if since is None else _day(since, path, text))


def _day(value: Any, path: Path, text: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        lines = enumerate(text.splitlines(), 1)
        line = next((n for n, each in lines if re.match(r"\s*[\"']?history_since\b", each)), 1)
        raise UserError(
            f'{path}:{line}: history_since is {value!r}: give a day such as "2026-12-01"'
        ) from error
