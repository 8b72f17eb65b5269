"""The folders that pytest puts on Python's path for a project: `pythonpath` of its settings."""

import configparser
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

# The files that pytest looks for, in its order, with the table or section that makes one its own.
_FILES = (
    ("pytest.toml", "pytest"), (".pytest.toml", "pytest"), ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"), ("pyproject.toml", ""), ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)  # fmt: skip


def pythonpath_of(root: Path) -> list[Path]:
    """As the first of pytest's files in `root` says that has settings of pytest; [] where it says
    nothing, or cannot be read."""
    for name, section in _FILES:
        table = None
        with suppress(OSError, ValueError, configparser.Error):
            table = _settings(root / name, section)
        if table is not None:
            given = table.get("pythonpath", [])
            names = given.split() if isinstance(given, str) else given
            return [root / str(each) for each in names] if isinstance(names, list) else []
    return []


def _settings(path: Path, section: str) -> Mapping[str, Any] | None:
    """pytest's settings in a file; None where it has none. Raises what reading it raises."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".toml":
        read = configparser.ConfigParser(interpolation=None)
        read.read_string(text)
        if read.has_section(section):
            return dict(read[section])
        # A file of this name is pytest's also without the section.
        return {} if path.stem in ("pytest", ".pytest") else None
    found: Any = tomllib.loads(text)
    if section:
        return _table(found, section)
    own = _table(_table(found, "tool"), "pytest")
    own = _table(own, "ini_options") if "ini_options" in own else own
    return own if "pytest" in _table(found, "tool") else None


def _table(whole: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = whole.get(key, {})
    return found if isinstance(found, dict) else {}
