"""Modules that base imports from head's tree, in a process of their own as an arm is one."""

import subprocess
import sys

import pytest

from vitbench.duet.base.strays import Strays

FOUND = """
import sys
from vitbench import team_code
from vitbench.duet.base.strays import Strays
strays = Strays({"own": sys.argv[1], "other": sys.argv[2]})
team_code.use([sys.argv[1]])
if sys.argv[3] != "-":
    import acme
print(*strays.found(sys.argv[4:]), sep=chr(10))
"""
# As an installation that answers before Python's path does.
FINDER = """
import sys
from importlib.machinery import PathFinder
class Finder:
    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [{head!r}]) if name == "acme" else None
sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def trees(tmp_path):
    for side in ("base", "head"):
        (tmp_path / side / "acme").mkdir(parents=True)
        (tmp_path / side / "acme" / "__init__.py").write_text("")
    return tmp_path


def found(trees, customized, *references, imports="acme"):
    (trees / "site").mkdir(exist_ok=True)
    (trees / "site" / "sitecustomize.py").write_text(customized)
    done = subprocess.run(
        [sys.executable, "-c", FOUND, str(trees / "base"), str(trees / "head"), imports,
         *references],
        env={"PYTHONPATH": f"{trees / 'site'}:{':'.join(filter(None, sys.path))}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split("\n")[:-1]


def test_an_installation_that_answers_before_the_path_is_noticed(trees):
    customized = FINDER.format(head=str(trees / "head"))
    assert found(trees, customized) == ["acme (acme/__init__.py)"]
    # Of a transform, which a worker of its own imports.
    assert found(trees, customized, "acme:f", imports="-") == ["acme (acme/__init__.py)"]


def test_a_path_that_leads_to_head_later_changes_nothing(trees):
    """As of a .pth file: base's roots come before."""
    assert found(trees, f"import sys; sys.path.append({str(trees / 'head')!r})") == [""]
    assert found(trees, f"import sys; sys.path.insert(0, {str(trees / 'head')!r})") == [""]


def test_a_package_that_base_does_not_have_is_noticed(trees):
    (trees / "base" / "acme" / "__init__.py").unlink()
    (trees / "base" / "acme").rmdir()
    customized = f"import sys; sys.path.append({str(trees / 'head')!r})"
    assert found(trees, customized, "acme:f") == ["acme (acme/__init__.py)"]


def test_what_was_imported_before_counts_for_a_case_that_calls_the_project(trees):
    customized = f"import sys; sys.path.insert(0, {str(trees / 'head')!r}); import acme"
    assert found(trees, customized, "acme:f") == ["acme (acme/__init__.py)"]
    assert found(trees, customized) == [""]


def test_an_environment_in_the_tree_is_no_code_of_the_project(trees):
    """All that a process imports lies below it, and is installed or vitbench's."""
    asked = FOUND.replace("import acme", "import numpy")
    done = subprocess.run(
        [sys.executable, "-c", asked, str(trees / "base"), sys.prefix, "numpy", "numpy:array"],
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "\n"


def test_a_tree_in_the_folder_of_an_environment_is_the_project_s(trees, monkeypatch):
    """As of a container whose sources lie below the folder that Python is installed in."""
    monkeypatch.setattr(sys, "prefix", str(trees))
    monkeypatch.syspath_prepend(trees / "head")
    strays = Strays({"own": str(trees / "base"), "other": str(trees / "head")})
    assert strays.found(["acme:f"]) == ["acme (acme/__init__.py)"]
