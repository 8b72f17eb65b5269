"""What `[tool.vitbench]` of a pyproject.toml says beside its tables."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.pyproject import read_pyproject


@dataclass(frozen=True)
class Settings:
    """`history_since`: from this day on the history of a gate must not be empty. None: always."""

    history_since: date | None = None


def read_settings(path: Path) -> Settings:
    """The settings of a pyproject.toml; the defaults where there is none, or no such table.

    Raises UserError, which names the file and the line, for what cannot be read or meant.
    """
    if not path.exists():
        return Settings()
    read = read_pyproject(path, "settings")
    since = read.table.get("history_since")
    return Settings(None if since is None else _day(since, read.place("history_since")))


def _day(value: Any, place: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise UserError(
            f'{place}: history_since is {value!r}: give a day such as "2026-12-01"'
        ) from error
