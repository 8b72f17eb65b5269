"""How pytest is configured in a folder, read as pytest reads it."""

import re
import shlex
import tomllib
from collections.abc import Mapping
from configparser import ConfigParser, Error
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vitbench.errors import UserError

WHOLE = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
"""Files that make a folder the root of a run, even if they are empty."""
PARTS = {"pyproject.toml": "", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}
"""Files that do so if they have a section."""


@dataclass(frozen=True)
class PytestSettings:
    """What a file says to pytest, as far as it decides how benchmarks/ is collected."""

    file: str
    testpaths: tuple[str, ...] = ()
    python_files: tuple[str, ...] = ()
    addopts: tuple[str, ...] = ()

    @property
    def covers(self) -> bool:
        """Whether pytest looks into benchmarks/ where the command line names no path."""
        places = [Path(each).as_posix() for each in self.testpaths]
        return not places or any(fnmatchcase("benchmarks", each) or each == "." for each in places)

    @property
    def matches(self) -> bool:
        """Whether pytest takes benchmarks/test_*.py for tests."""
        patterns = self.python_files or ("test_*.py",)
        return any(fnmatchcase("test_latency.py", each) for each in patterns)

    @property
    def parallel(self) -> bool:
        """Whether pytest-xdist runs without being asked for: nothing can be timed then."""
        return any(re.fullmatch(r"-n(?!0$).*|--numprocesses.*", each) for each in self.addopts)


def settings_of(folder: Path) -> PytestSettings | None:
    """The settings of the first file that pytest takes; None where the folder has none.

    Raises UserError for a file that cannot be read.
    """
    for name in (*WHOLE, *PARTS):
        path = folder / name
        if path.is_file():
            found = _section(path)
            if found is not None or name in WHOLE:
                return _settings(name, found or {})
    return None


def _section(path: Path) -> Mapping[str, Any] | None:
    """The section of pytest in a file, or None."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            found = tomllib.loads(text)
            if path.name in WHOLE:
                return _table(found.get("pytest"))
            tool = _table(found.get("tool")) or {}
            native = _table(tool.get("pytest")) or {}
            if "ini_options" in native:
                return _table(native["ini_options"])
            return native if "pytest" in tool else None
        parser = ConfigParser(interpolation=None)
        parser.read_string(text)
    except OSError as error:
        raise UserError(f"{path.name}: cannot read the file: {error.strerror}") from error
    except (ValueError, Error) as error:  # no TOML, no INI, or no UTF-8
        kind = "a TOML" if path.suffix == ".toml" else "an INI"
        first = str(error).splitlines()[0]
        raise UserError(f"{path.name}: not {kind} file: {first}") from error
    section = PARTS.get(path.name, "pytest")
    return dict(parser[section]) if section in parser else None


def _table(found: Any) -> Mapping[str, Any] | None:
    return found if isinstance(found, dict) else None


def _settings(name: str, found: Mapping[str, Any]) -> PytestSettings:
    words = {key: _words(found.get(key)) for key in ("testpaths", "python_files", "addopts")}
    return PytestSettings(name, **words)


def _words(value: Any) -> tuple[str, ...]:
    """The words of a setting: a list, or text as in a shell."""
    if isinstance(value, list):
        return tuple(map(str, value))
    try:
        return tuple(shlex.split(value)) if isinstance(value, str) else ()
    except ValueError:  # a quotation without its end: pytest says so itself
        return ()
