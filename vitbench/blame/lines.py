"""A recipe as lines of a project's pyproject.toml, and the file with them at its end."""

import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitbench.case import Limits
from vitbench.errors import UserError
from vitbench.init.files import Planned
from vitbench.init.table import appended, settled
from vitbench.project.variants import read_variants
from vitbench.pyproject import NAME, Pyproject, find_pyproject
from vitbench.runtimes.base import TORCH, Variant
from vitbench.runtimes.limits import NAMED
from vitbench.runtimes.variants import VARIANTS


def lines(recipe: Variant, name: str) -> str:
    """The table `[tool.vitbench.variants.NAME]` that means this recipe."""
    rows: dict[str, Any] = {
        "runtime": recipe.runtime,
        "precision": recipe.precision,
        "limits": _limits(recipe.limits),
        "options": dict(recipe.options),
    }
    if recipe.calibrated:
        rows["calibrated"] = True
    if recipe.transform:
        rows["transform"] = recipe.transform
    if recipe.devices != ("cpu",):
        rows["devices"] = list(recipe.devices)
    own = any(row.requires == recipe.requires for row in VARIANTS)
    if not own and recipe.requires != TORCH:
        rows["requires"] = list(recipe.requires)
    written = "".join(f"{key} = {_toml(value)}\n" for key, value in rows.items())
    return f"[tool.vitbench.variants.{_key(name)}]\n{written}"


def _limits(limits: Limits) -> Any:
    for name, each in NAMED.items():
        if each == limits:
            return name
    numbers = asdict(limits)
    return {key: value for key, value in numbers.items() if key != "reason" and value is not None}


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(each)}" for k, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        inner = [_toml(each) for each in value]
        if sum(map(len, inner)) > 80 or len(inner) > 3:
            return "[\n" + "".join(f"    {each},\n" for each in inner) + "]"
        return f"[{', '.join(inner)}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if bare else json.dumps(name)


def planned(start: Path, text: str, command: str) -> Planned:
    """The project's file, of the folder `start` or one above it, with a table at its end; nothing
    is written yet. Raises UserError where the file has no room for it, or would not be read."""
    path = find_pyproject(start) or start / NAME
    before, _ = settled(path)
    content = appended(before, text, str(path))
    written = content.decode()
    whole = tomllib.loads(written)
    table = whole["tool"]["vitbench"]
    try:
        read_variants(Pyproject(path, written, table, whole), list(table.get("models", {})))
    except UserError as error:
        raise UserError(f"nothing was written: {error}") from error
    file = Planned(path.parent, path.name, content, append=path.exists(), command=command)
    file.require_room()
    return file
