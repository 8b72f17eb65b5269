"""All that `vitbench init` writes into a folder, and what it says of the folder."""

import ast
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vitbench.errors import UserError
from vitbench.init.files import Planned
from vitbench.init.installing import (
    Requirement,
    install_commands,
    pytest_command,
    requirement,
)
from vitbench.init.pytest_settings import PytestSettings, settings_of
from vitbench.init.repository import HOSTS, Guess, guess, packages, top_of
from vitbench.init.table import PYTEST, appended, settled, table
from vitbench.place import PACKAGE

TEMPLATES = Path(__file__).parent
PYPROJECT = "pyproject.toml"
GITLAB_JOB, GITLAB = ".gitlab/vitbench.yml", ".gitlab-ci.yml"
WORKFLOWS = {
    "github": {
        "github.yml": ".github/workflows/vitbench.yml",
        "github-duet.yml": ".github/workflows/vitbench-duet.yml",
        "github-comment.yml": ".github/workflows/vitbench-comment.yml",
    },
    "gitlab": {"gitlab.yml": GITLAB_JOB},
}
"""The templates of each CI, and the files that are made of them."""
INCLUDE = f"include:\n  - local: {GITLAB_JOB}\n"


@dataclass(frozen=True)
class Plan:
    """The files, sentences about the folder, and the command that measures."""

    files: tuple[Planned, ...]
    remarks: tuple[str, ...]
    pytest: str


def plan(root: Path, models: Mapping[str, str], ci: str | None, today: date) -> Plan:
    """What is to be written into the folder `root`. `models`: specs by name; `ci`: `github`,
    `gitlab`, `none`, or None to guess.

    Nothing is written. Raises UserError where something is in the way.
    """
    before, has_table = settled(root / PYPROJECT)
    top, settings = top_of(root), settings_of(root)
    remarks = [*_place(root, top, settings), *_pytest_remarks(settings)]
    files = list(_benchmarks(root))
    if not has_table:
        text = table(models, packages(root), today) + ("" if settings else f"\n{PYTEST}")
        content = appended(before, text, PYPROJECT)
        files.append(Planned(root, PYPROJECT, content, append=(root / PYPROJECT).exists()))
    else:
        files.append(Planned(root, PYPROJECT, before))
        remarks += _left_out(before, models)
    command = pytest_command(settings)
    chosen = _host(root, top, ci)
    remarks.append(f"CI: {chosen.host or 'none'} ({chosen.why})")
    if chosen.host:
        wanted, pyproject = requirement(), tomllib.loads(before.decode())
        prepare = pyproject.get("tool", {}).get("vitbench", {}).get("prepare")
        commands = {
            "INSTALL_COMMAND": install_commands(wanted, root, pyproject),
            "PREPARE_COMMAND": [json.dumps(prepare, ensure_ascii=False)] if prepare else [],
            "PYTEST_COMMAND": [command],
        }
        ours = list(_workflow(root, chosen.host, commands))
        remarks += [wanted.remark] if wanted.remark and _installs(ours[0], wanted) else []
        remarks += _not_included(root / GITLAB) if chosen.host == "gitlab" else []
        files += ours
    for file in files:
        file.require_room()
    return Plan(tuple(files), tuple(remarks), command)


def _left_out(before: bytes, models: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each model that the table, which stays as it is, does not have."""
    there = tomllib.loads(before.decode())["tool"]["vitbench"]
    for name, spec in models.items():
        if dict(there.get("models", {})).get(name) != spec:
            yield (
                f"{PYPROJECT} has [tool.vitbench] already, and --model={name}={spec} is not in its "
                f'models: write {name} = "{spec}" into [tool.vitbench.models]'
            )


def _place(root: Path, top: Path | None, settings: PytestSettings | None) -> Iterator[str]:
    """Sentences on where the folder lies. Raises UserError where pytest would read the settings of
    another folder of the same repository."""
    if top is None:
        yield (
            "git finds no repository here: until there is one, reports name no commit, and "
            "--against=REV has nothing to compare with"
        )
    if settings or top is None or not root.is_relative_to(top):
        return
    for folder in root.parents:
        if not folder.is_relative_to(top):
            return
        if found := settings_of(folder):
            raise UserError(
                f"pytest takes {folder / found.file} for its settings, so vitbench would read "
                f"{folder / PYPROJECT}: run vitbench init in {folder}, or give {root} a pytest.ini "
                "of its own"
            )


def _pytest_remarks(settings: PytestSettings | None) -> Iterator[str]:
    if settings is None:
        return
    if not settings.matches:
        yield (
            f"{settings.file}: python_files = {' '.join(settings.python_files)} leaves out "
            "benchmarks/test_*.py: add test_*.py to it"
        )
    if not settings.covers:
        yield (
            f"{settings.file}: testpaths has no benchmarks: `pytest` alone leaves benchmarks/ out, "
            "and the commands name the folder"
        )


def _benchmarks(root: Path) -> Iterator[Planned]:
    """A thin module for each module of the suite; and, where no other module is there,
    `__init__.py`, so that a test of the same name elsewhere does not clash with it."""
    suite = sorted((PACKAGE / "benchmarks").glob("test_*.py"))
    names = {path.name for path in suite}
    folder = root / "benchmarks"
    if {path.name for path in folder.glob("*.py")} <= names | {"__init__.py"}:
        yield Planned(root, "benchmarks/__init__.py", b"")
    for path in suite:
        about = ast.get_docstring(ast.parse(path.read_bytes()))
        text = f'"""{about}"""\n\nfrom vitbench.benchmarks.{path.stem} import *  # noqa: F403\n'
        yield Planned(root, f"benchmarks/{path.name}", text.encode())


def _host(root: Path, top: Path | None, ci: str | None) -> Guess:
    """Whose workflow is to be written. Raises UserError where a CI that was asked for would not
    find it."""
    inside = f"{root} lies inside the repository {top}, at whose top a CI looks"
    if ci in HOSTS and top not in (None, root):
        raise UserError(f"--ci={ci}: {inside}: run vitbench init there, or give --ci=none")
    if ci:
        return Guess(None if ci == "none" else ci, f"--ci={ci}")
    found = guess(root)
    if found.host is None:
        return Guess(None, f"{found.why}: --ci=github or --ci=gitlab does")
    return found if top in (None, root) else Guess(None, inside)


def _workflow(root: Path, host: str, commands: Mapping[str, Sequence[str]]) -> Iterator[Planned]:
    """A line of a template with a name of `commands` becomes one for each of its commands."""
    version = ".".join(map(str, sys.version_info[:2]))
    for template, name in WORKFLOWS[host].items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        lines = text.replace("PYTHON_VERSION", version).splitlines(keepends=True)
        for word, each in commands.items():
            lines = [made for line in lines for made in _filled(line, word, each)]
        yield Planned(root, name, "".join(lines).encode())
    if host == "gitlab":
        yield Planned(root, GITLAB, INCLUDE.encode())


def _filled(line: str, word: str, commands: Sequence[str]) -> list[str]:
    return [line.replace(word, each) for each in commands] if word in line else [line]


def _installs(workflow: Planned, wanted: Requirement) -> bool:
    """Whether the workflow, written now or there already, installs what is wanted."""
    text = workflow.path.read_bytes() if workflow.kept else workflow.content
    return wanted.text.encode() in text


def _not_included(file: Path) -> Iterator[str]:
    """GitLab reads one file: a sentence where it is there and says nothing of ours."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        text = "" if file.exists() else GITLAB_JOB
    if GITLAB_JOB not in text:
        yield (
            f"{GITLAB} does not include {GITLAB_JOB}: add `include: [{{local: {GITLAB_JOB}}}]` to "
            "the file"
        )
