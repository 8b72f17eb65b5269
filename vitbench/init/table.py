"""`[tool.vitbench]` as text, and a pyproject.toml with it at the end."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.pyproject import read_pyproject

TEMPLATE = Path(__file__).parent / "table.toml"
FIRST_DAYS = 14  # in which a nightly run makes a history
PYTEST = """\
# pytest takes this folder for the root of a run, where vitbench finds [tool.vitbench].
[tool.pytest.ini_options]
"""


def table(models: Mapping[str, str], packages: Sequence[str], today: date) -> str:
    """`[tool.vitbench]` with the models by name, and examples in comments. What needs a package of
    the project's own is left out where there is none."""
    lines = [f"{_key(name)} = {_string(spec)}" for name, spec in models.items()]
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("HISTORY_SINCE", str(today + timedelta(FIRST_DAYS)))
    text = text.replace("MODELS\n", "".join(f"{line}\n" for line in lines))
    if packages:
        return text.replace("PACKAGE", packages[0])
    text = re.sub(r"# A function of this project.*\n# own =.*\n", "", text)
    return re.sub(r"# An own recipe:.*\n(# .+\n)*#\n", "", text)


def settled(file: Path) -> tuple[bytes, bool]:
    """What a pyproject.toml has, b"" where there is none, and whether `[tool.vitbench]` is in it.

    Raises UserError where it cannot be read, is not TOML, or has a table of ours that is wrong.
    """
    if not file.exists():
        return b"", False
    found = read_pyproject(file, "settings")
    return file.read_bytes(), "vitbench" in found.whole.get("tool", {})


def appended(before: bytes, text: str, name: str) -> bytes:
    """The bytes of a TOML file with more at its end, in the file's own line ends.

    Raises UserError where the file leaves no room for it, as where `tool` is an inline table.
    """
    if b"\r\n" in before:
        text = text.replace("\n", "\r\n")
    end = "\r\n" if b"\r\n" in before else "\n"
    gap = "" if not before else end if before.endswith(b"\n") else end * 2
    after = before + (gap + text).encode()
    try:
        made = tomllib.loads(after.decode())
    except ValueError as error:
        raise UserError(
            f"{name}: a table [tool.vitbench] at its end is no TOML ({error}): write the table into"
            " the file yourself"
        ) from error
    if not _holds(made, tomllib.loads(before.decode())):
        raise UserError(f"{name}: a table at its end would change what the file says already")
    return after


def _holds(made: Any, before: Any) -> bool:
    """Whether all that was there is there still."""
    if isinstance(before, dict):
        return isinstance(made, dict) and all(
            name in made and _holds(made[name], value) for name, value in before.items()
        )
    return bool(made == before)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _string(name)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
