"""The oldest releases that are taken: those that were tried, the same in every place."""

import json
import re
import tomllib
from dataclasses import replace
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from vitbench.cli import list as listing
from vitbench.cli.main import main
from vitbench.errors import Unavailable
from vitbench.place import CHECKOUT
from vitbench.runtimes import VARIANTS, catalogue, variant

MODEL = "deit_tiny_patch16_224"
REPORTS = CHECKOUT / "reports"


def floor(requirement):
    """The release after `>=`."""
    return next(Version(each.version) for each in requirement.specifier if each.operator == ">=")


@pytest.fixture(scope="module")
def extras():
    """The floors of pyproject.toml by package."""
    found = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = chain(found["dependencies"], *found["optional-dependencies"].values())
    parsed = [Requirement(text) for text in texts if not text.startswith("vitbench")]
    return {each.name: floor(each) for each in parsed}


def test_variants_and_the_package_have_the_same_floors(extras):
    texts = {text for row in VARIANTS for text in row.requires}
    found = [(each.name, floor(each)) for each in map(Requirement, texts)]
    least = {name: min(number for each, number in found if each == name) for name, _ in found}
    assert len(least) == 9
    assert {name: extras[name] for name in least} == least


def test_what_was_tried_lies_above_the_floors(extras):
    text = (CHECKOUT / "constraints.txt").read_text("utf-8")
    lines = [re.split("[;#]", line)[0].strip() for line in text.splitlines()]
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert extras.keys() <= pins.keys() | {"vitbench"}
    below = {name for name, least in extras.items() if Version(pins[name]) < least}
    assert not below


@pytest.mark.parametrize(
    ("name", "release", "why"),
    [
        ("fp32", "2.11.0+cu130", None),
        ("mobile-int8", "2.11.0+cpu", None),
        ("pt2e-int8", "2.11.0", "torch 2.11.0 is installed; pt2e-int8 needs torch>=2.12"),
        ("fp32", "2.10.1", "torch 2.10.1 is installed; fp32 needs torch>=2.11"),
        ("mobile-int8", "2.13.0", "torch 2.13.0 is installed; mobile-int8 needs torch<2.13,>=2.11"),
    ],
)
def test_the_list_and_a_run_say_the_same(monkeypatch, capsys, name, release, why):
    monkeypatch.setattr(catalogue, "installed", lambda _: release)
    assert main(["list", "--json"]) == 0
    listed = {
        row["variant"]: row["reason"] for row in json.loads(capsys.readouterr().out)["variants"]
    }
    try:
        said = None
        catalogue.require(variant(name), "cpu")
    except Unavailable as reason:
        said = str(reason)
    assert (listed[name], said if why else None) == (why, why)


def test_every_variant_names_a_package_that_can_be_too_old(monkeypatch):
    monkeypatch.setattr(catalogue, "installed", lambda _: "0.0.1")
    assert all("0.0.1 is installed" in catalogue.declared(row) for row in VARIANTS)
    assert catalogue.declared(replace(variant("fp32"), requires=())) is None


def listed_variants(capsys):
    return json.loads(capsys.readouterr().out)["variants"]


@pytest.mark.parametrize("driver", [False, True])
def test_the_list_says_what_is_known_of_a_gpu_without_torch(monkeypatch, capsys, driver):
    monkeypatch.setattr(listing, "gpu_driver", lambda: driver)
    monkeypatch.setattr(listing, "declared", lambda _: None)
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    fp32, int8, fp16 = (
        next(line for line in lines if line.startswith(f"{name} "))
        for name in ("fp32", "int8-dynamic", "fp16")
    )
    assert int8.endswith("declared available")
    assert ("declared available on the CPU; no GPU driver here" in fp32) is not driver
    assert ("unavailable: it needs CUDA, and there is no GPU driver here" in fp16) is not driver
    assert ("declared available" in fp16) is driver
    main(["list", "--json"])
    listed = {
        row["variant"]: row["available"] for row in json.loads(capsys.readouterr().out)["variants"]
    }
    assert (listed["fp32"], listed["fp16"]) == (True, driver)


def test_the_list_says_where_a_variant_was_never_run(capsys):
    assert main(["list", "--json"]) == 0
    listed = {
        row["variant"]: row["untried"] for row in json.loads(capsys.readouterr().out)["variants"]
    }
    kinds = {kind for row in VARIANTS for kind in row.devices}
    tried = {kind for kind in kinds if kind == "cpu" or (REPORTS / f"example-{kind}").is_dir()}
    assert listed["int8-dynamic"] == []
    assert all(not tried & set(kinds) for kinds in listed.values())
    assert {kind for each in listed.values() for kind in each} == kinds - tried
    main(["list"])
    lines = capsys.readouterr().out.splitlines()
    said = [any("never run on a GPU" in line for line in lines if line.startswith(f"{name} "))
            for name in ("fp16", "fp32", "int8-dynamic")]  # fmt: skip
    assert said == [*["cuda" not in tried] * 2, False]
