"""vitbench as a package: what an installation carries, and what its base needs."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, packages_distributions

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT
from vitbench import place
from vitbench.place import install

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXAMPLE = "reports/example/20261124T193117Z-d9c0ae36-12279.json"
LATER = "reports/example/20261124T193624Z-54c033a3-12723.json"
READING = [
    ["list"],
    ["show", EXAMPLE],
    ["best", EXAMPLE],
    ["gate", LATER, f"--baseline={EXAMPLE}", "--inconclusive=pass"],
    ["history", "show", "reports/example"],
    *([command, "--help"] for command in ("list", "show", "best", "gate", "history", "aa-run")),
]
# Runs commands, then prints their exit codes and the roots of what they imported. A module that is
# not allowed is not there.
IMPORTED = """
import contextlib, importlib.abc, io, json, sys
allowed, commands = map(json.loads, sys.argv[1:])

class Bare(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        root, system = name.partition(".")[0], name.startswith("_sysconfigdata")
        if not system and root not in {*allowed, *sys.stdlib_module_names}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def run(arguments):
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            return main(arguments) and said.getvalue()
        except SystemExit as end:
            return end.code

sys.meta_path.insert(0, Bare())
from vitbench.cli.main import main
codes = [run(arguments) for arguments in commands]
print(json.dumps([codes, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def closure(requirements):
    """Names of the distributions that requirements bring, and what those bring, installed here."""
    found, todo = set(), [Requirement(text) for text in requirements]
    while todo:
        requirement = todo.pop()
        if requirement.name.lower() in found:
            continue
        try:
            needs = Distribution.from_name(requirement.name).requires or ()
        except PackageNotFoundError:  # of another system
            continue
        found.add(requirement.name.lower())
        todo += [each for each in map(Requirement, needs)
                 if each.marker is None or each.marker.evaluate({"extra": ""})]  # fmt: skip
    return found


@pytest.fixture(scope="module")
def base():
    """The modules of an environment with nothing but what vitbench needs without extras."""
    names = closure(PROJECT["dependencies"])
    return [
        module
        for module, owners in packages_distributions().items()
        if names & {owner.lower() for owner in owners}
    ]


def run_with(commands, allowed):
    """Exit codes, or what commands said where they failed, and roots of imported modules: in a
    process that has only those."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, json.dumps([*allowed, "vitbench"]), json.dumps(commands)],
        cwd=ROOT, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_reports_are_read_with_the_base_alone(base):
    assert {"numpy", "rich"} <= set(base)
    assert not {"torch", "pytest", "pytest_benchmark", "timm", "transformers"} & set(base)
    codes, roots = run_with(READING, base)
    assert codes == [0] * len(READING)
    assert "rich" in roots


def test_a_command_that_needs_more_than_its_environment_has_is_found(base):
    codes, _ = run_with([["show", EXAMPLE]], set(base) - {"rich"})
    assert codes[0].startswith("vitbench: error: this command needs rich, which is not installed: ")


def test_an_installation_says_how_to_get_an_extra(monkeypatch):
    assert install("runtimes") == "pip install -c constraints.txt -e '.[runtimes]'"
    monkeypatch.setattr(place, "CHECKOUT", None)
    assert install("runtimes") == "pip install 'vitbench[runtimes]'"
