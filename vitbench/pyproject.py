"""`[tool.vitbench]` of a pyproject.toml: read here alone, with the line of each thing in it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.errors import UserError, near

NAME = "pyproject.toml"
TABLE = ("tool", "vitbench")
KEYS = ("contracts", "history_since", "models", "prepare", "prices", "variants")
"""The keys of `[tool.vitbench]`."""
_TABLE = re.compile(
    r"^\W*tool\s*\.\s*vitbench\b|^\s*vitbench\b|^\W*tool\s*=.*\bvitbench\b", re.MULTILINE
)
_HEADER = re.compile(r"\s*\[(?P<keys>[^\[\]]+)\]\s*(#.*)?")
_KEY = re.compile(r"""\s*(?P<keys>(?:[\w-]+|"[^"]*"|'[^']*'|\s*\.\s*)+?)\s*=""")

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Pyproject:
    """What a pyproject.toml says of vitbench. `table` is `[tool.vitbench]`; `whole` is all."""

    path: Path
    text: str = ""
    table: Mapping[str, Any] = field(default_factory=dict)
    whole: Mapping[str, Any] = field(default_factory=dict)

    def place(self, *keys: str) -> str:
        """File and line of what `keys` lead to below `[tool.vitbench]`, or of what it is in."""
        lines = _lines(self.text)
        parts = (*TABLE, *keys)
        found = (lines[parts[:n]] for n in range(len(parts), 0, -1) if parts[:n] in lines)
        return f"{self.path}:{next(found, 1)}"

    def section(self, key: str) -> Mapping[str, Any]:
        """A table below `[tool.vitbench]`; empty where there is none. Raises UserError."""
        found = self.table.get(key, {})
        if not isinstance(found, dict):
            raise UserError(f"{self.place(key)}: tool.vitbench.{key} should be a table")
        return found

    def text_place(self, text: str, *keys: str) -> str:
        """File and line of a string, looked for from the place of `keys` on; else that place."""
        start = int(self.place(*keys).rpartition(":")[2])
        forms = (f'"{text}"', f"'{text}'")
        for number, line in enumerate(self.text.splitlines()[start - 1 :], start):
            if any(form in line for form in forms):
                return f"{self.path}:{number}"
        return f"{self.path}:{start}"


def read_pyproject(path: Path, noun: str) -> Pyproject:
    """What a pyproject.toml says; `noun` is what is sought in it, for people.

    Raises UserError, which names the file and the line, for what cannot be read, and for a key of
    `[tool.vitbench]` that means nothing.
    """
    try:
        text = path.read_text(encoding="utf-8")
        whole = tomllib.loads(text)
    except OSError as error:
        raise UserError(f"{path}: cannot read the {noun}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a TOML file: not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not a TOML file: {error}") from error
    found: Any = whole
    for key in TABLE:
        found = found.get(key, {})
        if not isinstance(found, dict):
            raise UserError(f"{path}: {key} should be a table")
    read = Pyproject(path, text, found, whole)
    for name in found:
        if name not in KEYS:
            raise UserError(
                f"{read.place(name)}: [tool.vitbench] has no key {name!r}: {near(name, KEYS)}; it "
                f"may have {', '.join(KEYS)}"
            )
    return read


def find_pyproject(start: Path) -> Path | None:
    """The nearest pyproject.toml with a `[tool.vitbench]`, in `start` or a folder above it.

    One that cannot be read, or is no TOML, is passed over unless it names that table.
    """
    for folder in (start, *start.parents):
        path = folder / NAME
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if _has_table(text):
            return path
    return None


def _has_table(text: str) -> bool:
    try:
        tool = tomllib.loads(text).get(TABLE[0])
    except tomllib.TOMLDecodeError:  # whoever reads the file says what is wrong
        return bool(_TABLE.search(text))
    return isinstance(tool, dict) and TABLE[1] in tool


def _lines(text: str) -> dict[Keys, int]:
    """The line, from 1, where each table and each key of a TOML file begins."""
    found: dict[Keys, int] = {}
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            table = keys = _keys(header["keys"])
        elif key := _KEY.match(line):
            keys = (*table, *_keys(key["keys"]))
        else:
            continue
        for length in range(1, len(keys) + 1):
            found.setdefault(keys[:length], number)
    return found


def _keys(dotted: str) -> Keys:
    """The parts of a dotted key; none where it is none."""
    try:
        found: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    keys: Keys = ()
    while isinstance(found, dict):
        ((key, found),) = found.items()
        keys += (key,)
    return keys
