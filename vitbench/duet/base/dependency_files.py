"""The files that declare packages, and how each is read: to what it declares, without comments, the
order of lists, and the version of the project itself."""

import ast
import configparser
import json
import tomllib
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

Read = Callable[[str], Mapping[str, Any]]
"""From the text of a file to what it declares, by part. Raises ValueError for a text that is none
of its kind."""

_PYPROJECT = (
    "build-system", "dependency-groups", "project.dependencies", "project.optional-dependencies",
    "project.requires-python", "tool.hatch.envs",
    "tool.pdm.dev-dependencies", "tool.pdm.options", "tool.pdm.resolution", "tool.pdm.source",
    "tool.pixi", "tool.poetry.dependencies", "tool.poetry.dev-dependencies", "tool.poetry.extras",
    "tool.poetry.group", "tool.poetry.source", "tool.setuptools.dynamic.dependencies",
    "tool.setuptools.dynamic.optional-dependencies", "tool.uv",
)  # fmt: skip
_PIXI = (
    "build-dependencies", "dependencies", "environments", "feature", "host-dependencies",
    "project.channels", "pypi-dependencies", "pypi-options", "system-requirements", "target",
    "workspace.channels",
)  # fmt: skip
_SETUP_CFG = ("install_requires", "extras_require", "setup_requires", "tests_require",
              "python_requires")  # fmt: skip
_COMMANDS = ("scripts", "tasks")
"""Tables of commands, which are left out."""


def _pyproject(text: str) -> Mapping[str, Any]:
    return _parts(tomllib.loads(text), _PYPROJECT)


def _pixi(text: str) -> Mapping[str, Any]:
    return _parts(tomllib.loads(text), _PIXI)


def _parts(whole: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """What stands at dotted names in a TOML file, where something does."""
    found = dict[str, Any]()
    for name in names:
        value: Any = whole
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """A value without the order of its lists, the spaces of requirements and what declares nothing;
    None where nothing is left, as of an empty list."""
    if isinstance(value, dict):
        kept = {
            key: _plain(each)
            for key, each in value.items()
            if not (key in _COMMANDS and isinstance(each, dict))
        }
        return {key: each for key, each in kept.items() if each is not None} or None
    if isinstance(value, list):
        return sorted((_plain(each) for each in value), key=repr) or None
    return _requirement(value) if isinstance(value, str) else value


def _requirement(text: str) -> str:
    try:
        return str(Requirement(text))
    except InvalidRequirement:
        return text


def _requirements(text: str) -> Mapping[str, Any]:
    return {"": sorted(_requirement(line) for line in requirement_lines(text))}


def requirement_lines(text: str) -> list[str]:
    joined = text.replace("\\\n", " ").splitlines()
    bare = (line.partition(" #")[0].split() for line in joined if not line.lstrip().startswith("#"))
    return [" ".join(words) for words in bare if words]


def _lines(text: str) -> Mapping[str, Any]:
    """Of YAML and the like: lines without comments."""
    lines = (line.partition(" #")[0].rstrip() for line in text.splitlines())
    return {"": [line for line in lines if line and not line.lstrip().startswith("#")]}


def _toml_lock(text: str) -> Mapping[str, Any]:
    """A lock, in which the project itself, a folder, is a package whose version is left out."""
    whole = tomllib.loads(text)
    packages = whole.get("package", [])
    for package in packages if isinstance(packages, list) else ():
        source = package.get("source", {}) if isinstance(package, dict) else {}
        if isinstance(source, dict) and {"editable", "virtual", "directory"} & set(source):
            package.pop("version", None)
    return {"": whole}


def _json_lock(text: str) -> Mapping[str, Any]:
    return {"": json.loads(text)}


def _toml(text: str) -> Mapping[str, Any]:
    return {"": tomllib.loads(text)}


def _setup_cfg(text: str) -> Mapping[str, Any]:
    read = configparser.ConfigParser(interpolation=None)
    read.read_string(text)
    return {
        f"{section}.{key}": sorted(map(_requirement, value.split("\n")))
        for section in read.sections()
        for key, value in read.items(section)
        if (section == "options" and key in _SETUP_CFG) or section == "options.extras_require"
    }


def _setup_py(text: str) -> Mapping[str, Any]:
    """The program, without comments and the version that it gives to the project."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [each for each in node.keywords if each.arg != "version"]
    return {"": ast.dump(tree)}


FILES: tuple[tuple[str, Read], ...] = (
    ("pyproject.toml", _pyproject),
    ("requirements*.txt", _requirements),
    ("requirements*.in", _requirements),
    ("constraints*.txt", _requirements),
    ("setup.py", _setup_py),
    ("setup.cfg", _setup_cfg),
    ("Pipfile", _toml),
    ("Pipfile.lock", _json_lock),
    ("pixi.toml", _pixi),
    ("pixi.lock", _lines),
    ("pylock*.toml", _toml_lock),
    ("*.lock", _toml_lock),
    ("environment*.y*ml", _lines),
    ("conda-lock*.y*ml", _lines),
    (".python-version", _lines),
)
"""The files that declare packages, by the glob of their name, and how each is read."""
FOLDER: tuple[tuple[str, Read], ...] = (("*.txt", _requirements), ("*.in", _requirements))
"""Those of the folder `requirements/`, and what `-r` names."""


def reader(name: str) -> Read:
    """How a file of that name is read."""
    last = name.rpartition("/")[2]
    return next((read for glob, read in (*FILES, *FOLDER) if fnmatch(last, glob)), _lines)
