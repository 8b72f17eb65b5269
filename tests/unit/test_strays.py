"""What code takes from another work tree, in a process of its own as an arm is one."""

import py_compile
import subprocess
import sys

import pytest

from vitbench.build.strays import Strays

FOUND = """
import sys
from vitbench import team_code
from vitbench.build.strays import Strays
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


READS = """
import importlib.util, os, sys
from pathlib import Path
from vitbench.build.strays import Strays
from vitbench.errors import Incomparable
own, other, read = sys.argv[1:]
strays = Strays({"own": own, "other": other}, reads=True)
what = Path(read)
if what.suffix == ".py":
    spec = importlib.util.spec_from_file_location("conf_of_ours", what)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
else:
    os.listdir(what) if what.is_dir() else what.read_text()
try:
    strays.refuse({}, None)
except Incomparable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("read", "own", "words"),
    [
        ("head/conf.json", "another", "the code of the commit reads conf.json from your own work"),
        ("link/conf.json", "another", "the code of the commit reads conf.json from your own work"),
        ("head/conf.json", "of head", ""),
        ("head/conf.json", None, ""),  # the sides share what the commit does not have
        ("base/conf.json", "another", ""),
    ],
)
def test_a_file_of_the_other_tree_is_noticed_where_the_own_is_another(trees, read, own, words):
    (trees / "head" / "conf.json").write_text("of head")
    (trees / "link").symlink_to(trees / "head")
    if own is not None:
        (trees / "base" / "conf.json").write_text(own)
    command = [sys.executable, "-c", READS, *(str(trees / each) for each in ("base", "head", read))]
    done = subprocess.run(command, capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": ":".join(filter(None, sys.path))})  # fmt: skip
    assert done.stdout.startswith(words)
    assert bool(done.stdout) is bool(words)


def reading(trees, name):
    command = [sys.executable, "-c", READS, *(str(trees / each) for each in ("base", "head", name))]
    return subprocess.run(command, capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": ":".join(filter(None, sys.path))}).stdout  # fmt: skip


def test_compiled_code_of_the_other_tree_stands_for_its_source(trees):
    for side in ("base", "head"):
        (trees / side / "conf.py").write_text(f"SIDE = {side!r}\n")
    py_compile.compile(str(trees / "head" / "conf.py"))
    assert "reads conf.py from your own work tree" in reading(trees, "head/conf.py")
    assert not reading(trees, "base/conf.py")


def test_the_names_in_a_folder_of_the_other_tree_are_noticed_where_the_own_has_others(trees):
    for side in ("base", "head"):
        (trees / side / "layers").mkdir()
        (trees / side / "layers" / "one").touch()
    assert not reading(trees, "head/layers")
    (trees / "head" / "layers" / "two").touch()
    assert "reads layers from your own work tree" in reading(trees, "head/layers")
