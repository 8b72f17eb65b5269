"""What is wrong with a command of a document, by the options and files that there are."""

import argparse
import importlib.util
import re
import tomllib
from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path

import pytest

from tests.helpers.documents import ROOT, Command
from vitbench.cli.main import parser


def wrong(command: Command, registered: argparse.ArgumentParser) -> str:
    """What is wrong with a command of a document, or nothing. `registered`: pytest's options."""
    program, *words = command.words
    try:
        if program == "python":
            return wrong_module(command, registered)
        if program == "tox":
            return wrong_tox(command, registered)
        if program == "pytest":
            return wrong_pytest(words, registered)
        top = parser()
        if bad := unknown(leaf(top, words), words):
            return f"no such option: {', '.join(bad)}"
        if not command.whole:
            relax(leaf(top, words))
        if "--help" not in words and "--version" not in words:
            top.parse_args(words)
    except (SystemExit, pytest.UsageError, argparse.ArgumentError) as error:
        return f"refused: {error}"
    return ""


def wrong_pytest(words: list[str], registered: argparse.ArgumentParser) -> str:
    if bad := unknown(registered, [word for word in words if word.startswith("--")]):
        return f"no such option: {', '.join(bad)}"
    chosen = registered.parse_intermixed_args(words, argparse.Namespace())
    places = [each.partition("::")[0] for each in chosen.file_or_dir]
    if chosen.pyargs:
        return ", ".join(f"no module {p}" for p in places if not importlib.util.find_spec(p))
    return ", ".join(f"no file {place}" for place in places if not (ROOT / place).exists())


def wrong_module(command: Command, registered: argparse.ArgumentParser) -> str:
    """Of `python -m MODULE ...`: pytest, vitbench, pip, or a script of the tests."""
    dash, module, *words = command.words[1:]
    if dash != "-m":
        return "starts no module"
    if module in ("pytest", "vitbench"):
        return wrong(Command(command.file, (module, *words), command.whole), registered)
    if module in ("pip", "build"):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        bracketed = "".join(re.findall(r"\[[^]]*\]", " ".join(words)))
        extras = re.findall(r"\w+", bracketed)
        files = [after for word, after in pairwise(words) if word in ("-c", "-r")]
        missing = [f"no extra {e}" for e in extras if e not in project["optional-dependencies"]]
        return ", ".join(missing + [f"no file {f}" for f in files if not (ROOT / f).is_file()])
    source = source_of(module)
    if not source:
        return f"no module {module}"
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    return ", ".join(f"no option {each}" for each in given if f'"{each}"' not in source)


def source_of(module: str) -> str:
    """The text of a module, or nothing where there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return ""
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


def wrong_tox(command: Command, registered: argparse.ArgumentParser) -> str:
    """Of `tox -e ENVIRONMENTS [-- arguments of pytest]`."""
    words = list(command.words[1:])
    end = words.index("--") if "--" in words else len(words)
    ini = ConfigParser(interpolation=None)
    ini.read(ROOT / "tox.ini", encoding="utf-8")
    asked = [name for each in words[1:end] for name in each.split(",")]
    for name in asked:
        if f"testenv:{name}" not in ini:
            return f"tox.ini has no environment {name}"
    runs_pytest = all("pytest" in ini[f"testenv:{name}"]["commands"] for name in asked)
    return wrong_pytest(words[end + 1 :], registered) if runs_pytest else ""


def leaf(top: argparse.ArgumentParser, words: list[str]) -> argparse.ArgumentParser:
    """The parser of the command that the words begin with, subcommands too."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            return leaf(action.choices[words[0]], words[1:])
    return top


def unknown(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    """Options that the parser does not have by just this name: argparse takes their beginnings."""
    given = [word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]
    return [name for name in given if name not in parser._option_string_actions]


def relax(parser: argparse.ArgumentParser) -> None:
    """Nothing is required any more."""
    for action in parser._actions:
        action.required = False
        if not action.option_strings and action.nargs in (None, "+"):
            action.nargs = {None: "?", "+": "*"}[action.nargs]
        elif action.option_strings and isinstance(
            action, argparse._StoreAction | argparse._AppendAction
        ):
            action.nargs = action.nargs or "?"
