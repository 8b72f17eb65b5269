"""Every package is pinned, and the tools, versions and environments that files name twice agree."""

import importlib.metadata
import re
import tomllib
from configparser import ConfigParser

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.helpers.documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(project: dict) -> list[Requirement]:
    """What the project and its extras ask for, without its own extras."""
    asked = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        asked += extra
    return [each for each in map(Requirement, asked) if each.name != project["name"]]


def pins(text: str) -> dict[str, str]:
    """The version of each package of a constraints file, by its canonical name."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pinned = [Requirement(line) for line in lines if line]
    return {canonicalize_name(p.name): str(p.specifier).removeprefix("==") for p in pinned}


def unpinned(asked: list[Requirement], pinned: dict[str, str]) -> list[str]:
    """A sentence for each requirement without a pin, or whose pin is outside its range."""
    wrong = []
    for each in asked:
        version = pinned.get(canonicalize_name(each.name))
        if version is None:
            wrong.append(f"{each.name} has no pin")
        elif version not in each.specifier:
            wrong.append(f"{each.name}=={version} is outside {each.specifier}")
    return wrong


def closure(names: list[str]) -> set[str]:
    """Installed packages that the named ones need on this machine, and they themselves."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        if name in found:
            continue
        found.add(name)
        needed = (n for n in map(Requirement, needs) if not n.marker or n.marker.evaluate())
        waiting += [canonicalize_name(each.name) for each in needed]
    return found


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    return pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))


def test_every_requirement_is_pinned_within_its_range(pinned):
    assert unpinned(requirements(PROJECT["project"]), pinned) == [], "refresh them: tox -e pins"
    kept = list(map(Requirement, PROJECT["tool"]["uv"]["constraint-dependencies"]))
    assert unpinned(kept, pinned) == []


def test_a_missing_pin_and_one_outside_its_range_are_found():
    asked = requirements({"name": "own", "dependencies": ["a>=2", "Big_Name", "d<3"],
                          "optional-dependencies": {"x": ["own[y]", "c"]}})  # fmt: skip
    wrong = unpinned(
        asked, pins("a==1.9  # via own\nbig-name==1 ; sys_platform == 'linux'\nd==2\n")
    )
    assert wrong == ["a==1.9 is outside >=2", "c has no pin"]


def test_what_the_requirements_need_is_pinned_too(pinned):
    needed = closure([each.name for each in requirements(PROJECT["project"])])
    assert {"numpy", "pluggy", "markdown-it-py"} <= needed
    assert sorted(needed - set(pinned)) == [], "refresh them: tox -e pins"


def tox() -> ConfigParser:
    ini = ConfigParser(interpolation=None)
    ini.read(ROOT / "tox.ini", encoding="utf-8")
    return ini


def read_yaml(file: str) -> dict:
    return yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


def test_pre_commit_has_the_tools_of_tox():
    hooks = {h["id"]: h for r in read_yaml(".pre-commit-config.yaml")["repos"] for h in r["hooks"]}
    for hook, environment in (("ruff-check", "lint"), ("ruff-format", "lint"), ("mypy", "types")):
        asked = tox()[f"testenv:{environment}"]["deps"].split()
        assert hooks[hook]["additional_dependencies"] == asked, f"{hook} of .pre-commit-config.yaml"


def test_the_next_torch_is_tried_with_the_same_other_packages(pinned):
    asked = map(Requirement, tox()["testenv:torch-next"]["deps"].split())
    others = [each for each in asked if each.name not in ("torch", "torchvision")]
    assert others
    assert unpinned(others, pinned) == []


WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def asked_of_tox(workflow: dict) -> set[str]:
    """The environments of tox that a workflow runs."""
    steps = (step for job in workflow["jobs"].values() for step in job["steps"])
    named = (re.findall(r"tox -e ([\w,-]+)", step.get("run", "")) for step in steps)
    return {name for found in named for each in found for name in each.split(",")}


def test_the_workflows_run_all_that_must_pass():
    asked = {name for file in WORKFLOWS for name in asked_of_tox(read_yaml(str(file)))}
    ini = tox()
    must = set(re.split(r"[,\s]+", ini["tox"]["env_list"]))
    assert must | {"thorough"} <= asked
    assert [name for name in asked if f"testenv:{name}" not in ini] == []


def test_an_environment_that_tox_lacks_is_seen():
    workflow = {"jobs": {"a": {"steps": [{"uses": "x"}, {"run": "tox -e lint,no-such"}]}}}
    assert asked_of_tox(workflow) == {"lint", "no-such"}


def test_the_workflow_has_the_versions_of_python_that_are_claimed():
    tried = read_yaml(".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"][
        "python"
    ]
    claimed = SpecifierSet(PROJECT["project"]["requires-python"])
    assert tried == [f"3.{minor}" for minor in range(30) if Version(f"3.{minor}") in claimed]
    named = [c.rpartition(" ")[2] for c in PROJECT["project"]["classifiers"] if "Python :: 3." in c]
    assert tried == named


def test_the_templates_ask_for_the_report():
    form = read_yaml(".github/ISSUE_TEMPLATE/wrong.yml")["body"]
    report = next(field for field in form if field.get("id") == "report")
    assert report["validations"]["required"]
    pull_request = (ROOT / ".github/PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    assert "reports/history/" in pull_request


@pytest.mark.xdist_group("groups")
def test_xdist_sees_the_groups_of_tests(request):
    """Without a word, pytest-xdist 3.8 takes each test for itself where pytest is 9.2 or later."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("this run is not one of --dist=loadgroup")
    assert request.node.nodeid.endswith("@groups")
