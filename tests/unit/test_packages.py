"""What installed packages add by entry points: used when asked for, and left out when broken."""

import json
import sys
from dataclasses import replace

import pytest

from vitbench import packages
from vitbench.cli.main import main
from vitbench.errors import Unavailable, UserError
from vitbench.project.project import read_project
from vitbench.runtimes import RUNTIMES, provided, registry, variant
from vitbench.runtimes.catalogue import catalogue_of, require

KIT = """
from dataclasses import replace
from vitbench.runtimes import variant

ONE = replace(variant("fp32"), name="kit-one", runtime="kit")
MANY = [replace(ONE, name="kit-two"), replace(ONE, name="kit-three", runtime="eager")]
TEXT = "timm:vit_tiny_patch16_224,depth=2"
NUMBER = 3

def many():
    return MANY

def table():
    return {"timm": "vit_tiny_patch16_224", "args": {"depth": 1}, "labels": "labels.txt"}

def fails():
    raise KeyError("oh")

def odd():
    return [replace(ONE, name="kit-odd", runtime="kitt"), replace(ONE, name="fp32"),
            replace(ONE, name="kit-engine", runtime="eager", options={"engin": "x"}), ONE]
"""
RUNTIME = "from vitbench.runtimes.eager import *\n"
CACHES = (packages.provided, registry._of_package, provided.package_variants)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Call it with a name, a version and the lines of each group: as pip leaves a package behind.

    What it installs lies on Python's path until the test ends.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)

    def write(name, version, **groups):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "rows.py").write_text(KIT)
        (package / "engine.py").write_text(RUNTIME)
        (package / "half.py").write_text("def version(): ...\n")
        (package / "broken.py").write_text("raise OSError('libkit.so is missing')\n")
        (package / "labels.txt").write_text("cat\n")
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"[vitbench.{group}]\n{text}\n" for group, text in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for each in CACHES:
            each.cache_clear()

    yield write
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("kit", "kat"):
            del sys.modules[name]
    for each in CACHES:
        each.cache_clear()


def sentences():
    return [each.sentence for each in catalogue_of().problems]


def test_variants_of_a_package_are_in_the_catalogue(install):
    install("kit", "1.2", variants="a = kit.rows:ONE\nb = kit.rows:many", runtimes="kit=kit.engine")
    known = catalogue_of()
    assert [row.name for row in known.select(["kit*"], "fp32")] == [
        "fp32", "kit-one", "kit-two", "kit-three",
    ]  # fmt: skip
    assert {known.variant(name).origin for name in ("kit-one", "kit-three")} == {"kit 1.2"}
    assert known.problems == ()
    own = replace(variant("fp32"), name="kit-one", origin="pyproject.toml")
    with pytest.raises(UserError, match=r"'kit-one' is also one of kit 1.2: give it another name"):
        catalogue_of([own])


def test_a_runtime_of_a_package_runs_its_variants(install):
    install("kit", "1.2", variants="a = kit.rows:ONE", runtimes="kit = kit.engine")
    found = registry.runtime("kit")
    assert (found.__name__, registry.is_own(found)) == ("kit.engine", False)
    assert require(variant("kit-one"), "cpu").runtime == "kit"
    with pytest.raises(Unavailable, match="no installed package has the runtime 'kitt'"):
        registry.runtime("kitt")


def test_models_of_a_package_have_names(install, tmp_path):
    install("kit", "1.2", models="small = kit.rows:TEXT\nsmaller = kit.rows:table")
    project = read_project(None, tmp_path)
    small, smaller = project.chosen(["small", "mine=smaller"], tmp_path)
    assert (small.name, small.args, small.origin) == ("small", {"depth": 2}, "kit 1.2")
    assert (smaller.name, smaller.args) == ("mine", {"depth": 1})
    assert smaller.labels == str(tmp_path / "kit" / "labels.txt")
    (tmp_path / "pyproject.toml").write_text('[tool.vitbench.models]\nsmall = "x"\n')
    project = read_project(tmp_path / "pyproject.toml", tmp_path)
    with pytest.raises(UserError, match=r"toml:2: the model 'small' is also one of kit 1\.2: give"):
        project.chosen(["small"], tmp_path)


def test_nothing_of_a_package_is_imported_before_it_is_asked_for(install, tmp_path, capsys):
    install("kit", "1.2", models="m = kit.rows:TEXT", runtimes="kit = kit.engine")
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "\nm                      kit 1.2         kit.rows:TEXT\n" in out
    assert "\nkit           kit 1.2         kit.engine\n" in out
    assert read_project(None, tmp_path).chosen(["deit_tiny_patch16_224"], tmp_path)
    assert "kit" not in sys.modules
    read_project(None, tmp_path).chosen(["m"], tmp_path)
    assert "kit" in sys.modules


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "x = kit.broken",
            "kit 1.2: the entry point 'x' of vitbench.variants: the import of kit.broken raises "
            "OSError: libkit.so is missing",
        ),
        ("x = kit.gone:ONE", "the import of kit.gone raises ModuleNotFoundError: No module named"),
        ("x = kit.rows:ON", "kit.rows has no ON: nearest: ONE"),
        ("x = kit.rows:NUMBER", "kit.rows:NUMBER gives int: it should be a Variant, a list of"),
        ("x = kit.rows:table", "kit.rows:table gives dict: it should be a Variant, a list of them"),
        ("x = kit.rows:fails", "kit.rows:fails raises KeyError: 'oh'"),
    ],
)
def test_a_broken_entry_point_of_variants_is_left_out_with_a_sentence(install, capsys, line, words):
    install("kit", "1.2", variants=line)
    (sentence,) = sentences()
    assert words in sentence
    assert catalogue_of().select([], "fp32")[0].name == "fp32"
    with pytest.raises(UserError, match=r"no such variant: .*; kit 1.2: the entry point 'x' of"):
        catalogue_of().select(["kit-one"], "fp32")
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == [sentence]


def test_rows_that_cannot_be_are_left_out_and_the_others_stay(install):
    install("kit", "1.2", variants="x = kit.rows:odd", runtimes="kit = kit.engine")
    known = catalogue_of()
    assert "kit-one" in known.names
    assert [each.name for each in known.problems] == ["kit-odd", "fp32", "kit-engine"]
    unknown, taken, option = sentences()
    assert "'kit-odd' names an unknown runtime 'kitt': nearest: kit" in unknown
    assert "'fp32' has the name of one of vitbench's own" in taken
    assert "'kit-engine' cannot be built: the runtime eager has no option 'engin'" in option
    with pytest.raises(UserError, match=r"--variant kit-odd: kit 1.2: .* unknown runtime 'kitt'"):
        known.select(["kit-odd"], "fp32")
    assert [row.name for row in known.select(["fp32"], "fp32")] == ["fp32"]


def test_a_name_of_two_packages_is_nobody_s(install, tmp_path, capsys):
    lines = {
        "models": "m = {}.rows:TEXT",
        "variants": "v = {}.rows:ONE",
        "runtimes": "kit = {}.engine",
    }
    for name in ("kit", "kat"):
        install(name, "1.2", **{group: text.format(name) for group, text in lines.items()})
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "kat 1.2 and kit 1.2 have an entry point 'm' of vitbench.models: uninstall one" in out
    assert "kat 1.2 and kit 1.2 have an entry point 'kit' of vitbench.runtimes: uninstall" in out
    with pytest.raises(UserError, match=r"^--model m: kat 1.2 and kit 1.2 have an entry point 'm'"):
        read_project(None, tmp_path).chosen(["m"], tmp_path)
    with pytest.raises(Unavailable, match=r"have an entry point 'kit' of vitbench.runtimes"):
        registry.runtime("kit")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kit = kit.broken", "the import of kit.broken raises OSError: libkit.so is missing"),
        ("kit = kit.half", "the module kit.half has no function supports, suffix, build, load"),
        ("kit = kit.rows:ONE", "kit.rows:ONE is no module"),
    ],
)
def test_a_broken_runtime_makes_its_variants_unavailable(install, line, words):
    install("kit", "1.2", variants="a = kit.rows:ONE", runtimes=line)
    assert "kit-one" in catalogue_of().names
    with pytest.raises(Unavailable, match=words):
        require(variant("kit-one"), "cpu")
    assert require(variant("fp32"), "cpu").name == "fp32"


def test_a_runtime_cannot_take_the_place_of_ours(install, capsys):
    install("kit", "1.2", runtimes="eager = kit.engine")
    assert registry.runtime("eager") is RUNTIMES["eager"]
    assert main(["list"]) == 0
    assert "'eager' of vitbench.runtimes: this name is vitbench's own" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("m = kit.rows:NUMBER", "kit.rows:NUMBER gives int: it should be a string such as --model"),
        ("m = kit.rows:fails", "kit.rows:fails raises KeyError: 'oh'"),
        ("m = kit.broken", "the import of kit.broken raises OSError: libkit.so is missing"),
    ],
)
def test_a_broken_model_is_a_sentence_of_the_run_that_names_it(install, tmp_path, line, words):
    install("kit", "1.2", models=line)
    assert main(["list"]) == 0
    with pytest.raises(
        UserError, match=f"^kit 1.2: the entry point 'm' of vitbench.models: {words}"
    ):
        read_project(None, tmp_path).chosen(["m"], tmp_path)
