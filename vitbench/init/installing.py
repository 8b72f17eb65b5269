"""The commands of a workflow: how vitbench and the project are installed, and how pytest runs."""

import json
import shlex
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from vitbench import __version__
from vitbench.init.pytest_settings import PytestSettings

DEPENDENCIES = "/tmp/dependencies.txt"
READ_DEPENDENCIES = (
    'python -c \'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]'
    '["dependencies"], sep="\\n")\''
)
"""Prints a requirement a line. pip installs no dependencies without their project."""


@dataclass(frozen=True)
class Requirement:
    """What pip is given for vitbench; `remark` is a sentence where a runner may not find it."""

    text: str
    remark: str | None = None


def requirement() -> Requirement:
    """vitbench with what a run needs, from where this installation of it came (PEP 610)."""
    try:
        found: dict[str, Any] = json.loads(
            distribution("vitbench").read_text("direct_url.json") or "{}"
        )
    except (PackageNotFoundError, ValueError):
        found = {"url": "file:"}
    return of_direct_url(found)


def of_direct_url(found: dict[str, Any]) -> Requirement:
    """`found`: the direct_url.json of an installation; empty for one from a package index."""
    url, vcs = str(found.get("url", "")), found.get("vcs_info")
    if vcs:
        return Requirement(f"vitbench[suite] @ {vcs['vcs']}+{url}@{vcs['commit_id']}")
    if url and not url.startswith("file:"):
        return Requirement(f"vitbench[suite] @ {url}")
    pinned = f"vitbench[suite]=={__version__}"
    if not url:
        return Requirement(pinned)
    return Requirement(
        pinned,
        f"the workflow installs vitbench=={__version__} from the package index of its runner: this "
        "vitbench was installed from a local file or folder. Put a wheel of it there, or change "
        "the line",
    )


def install_commands(wanted: Requirement, folder: Path, pyproject: dict[str, Any]) -> list[str]:
    """The shell lines that install vitbench, and of the project what it declares: `folder` is the
    project's, `pyproject` what its pyproject.toml has. Its code is imported from its folders, so it
    is itself installed only where it says how it is built."""
    words = ["python", "-m", "pip", "install", wanted.text]
    listed = (folder / "requirements.txt").is_file()
    words += ["-r", "requirements.txt"] if listed else []
    if is_installable(folder, pyproject):
        return [shlex.join([*words, "-e", "."])]
    if listed or not pyproject.get("project", {}).get("dependencies"):
        return [shlex.join(words)]
    return [f"{READ_DEPENDENCIES} > {DEPENDENCIES}", shlex.join([*words, "-r", DEPENDENCIES])]


def is_installable(folder: Path, pyproject: dict[str, Any]) -> bool:
    """Whether the project says how it is built. Of one that does not, setuptools takes each folder
    for a package, and refuses several."""
    declared = pyproject.get("tool", {}).get("setuptools", {}).keys() & {"packages", "py-modules"}
    return "build-system" in pyproject or bool(declared) or (folder / "setup.py").is_file()


def pytest_command(settings: PytestSettings | None) -> str:
    """What measures all of benchmarks/, whatever the project's own settings of pytest are."""
    words = ["pytest", "--benchmark-only"]
    if settings and settings.parallel:
        words.append("-n0")
    if settings and not settings.covers:
        words.append("benchmarks")
    return " ".join(words)
