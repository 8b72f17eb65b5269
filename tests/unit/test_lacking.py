"""Which cases cannot be compared, because a file of base is not here."""

from dataclasses import replace

import pytest

from tests.helpers.repositories import pointer
from vitbench.case import Case
from vitbench.duet.base.lacking import incomparable
from vitbench.duet.base.side import Side, head
from vitbench.measure.options import Options
from vitbench.models import ModelSpec
from vitbench.runtimes.base import Variant
from vitbench.runtimes.variants import VARIANTS

ADVICE = (
    '--base-artifact=shipped=FILE, or in [tool.vitbench] prepare = "COMMAND", which builds it in '
    "each side's tree"
)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "build").mkdir()
    return tmp_path


@pytest.fixture
def options(tree):
    """Of base: a model with a checkpoint, and a variant with a file."""
    spec = ModelSpec("mine", "timm", "vit", str(tree / "model.pth"), "vit@model.pth")
    row = Variant("shipped", "openvino", "int8", VARIANTS[0].limits, "",
                  artifact=str(tree / "build" / "vit.xml"))  # fmt: skip
    return Options(models=(spec,), threads=1, cache=tree, project_variants=(row,))


def asked(options, tree, lacking=(), *names):
    cases = [Case("mine", name, "cpu", 1) for name in names or ("fp32", "shipped")]
    base = Side("base", "python", tree, tree=tree, options=options, lacking=dict(lacking))
    return incomparable(cases, {"base": base, "head": head()})


def test_an_artifact_that_base_does_not_have(options, tree):
    assert asked(options, tree) == {
        "mine/shipped/cpu/b1": "base has no build/vit.xml for shipped, and git does not track it: "
        f"give {ADVICE}"
    }
    assert asked(options, tree, (), "fp32") == {}  # nobody asks for the file
    (tree / "build" / "vit.xml").write_text("<net>")
    (tree / "build" / "vit.bin").write_bytes(b"weights")
    assert asked(options, tree) == {}


def test_a_part_of_an_artifact_that_base_does_not_have(options, tree):
    """git tracks the small file and not the large one beside it."""
    (tree / "build" / "vit.xml").write_text("<net>")
    says = asked(options, tree)["mine/shipped/cpu/b1"]
    assert says.startswith("base's build/vit.xml for shipped is not whole: vit.xml has its weights")
    assert says.endswith(f"or give {ADVICE}")
    (tree / "build" / "vit.bin").write_bytes(pointer(b"weights"))
    assert "vit.bin is a pointer of Git LFS" in asked(options, tree)["mine/shipped/cpu/b1"]


def test_a_model_whose_file_is_known_to_be_another_one(options, tree):
    why = {(tree / "model.pth").resolve(): "base's model.pth is not here"}
    assert set(asked(options, tree, why).values()) >= {"base's model.pth is not here"}
    assert set(asked(options, tree, why)) == {"mine/fp32/cpu/b1", "mine/shipped/cpu/b1"}
    other = replace(options, models=(replace(options.models[0], path=None),))
    assert asked(other, tree, why, "fp32") == {}


def test_what_is_known_of_an_artifact_is_said(options, tree):
    why = {tree / "build" / "vit.xml": "base's build/vit.xml is a pointer"}
    assert asked(options, tree, why)["mine/shipped/cpu/b1"] == (
        f"base's build/vit.xml is a pointer; or give {ADVICE}"
    )


def test_a_model_that_base_cannot_have(options, tree):
    cases = [Case("mine", "fp32", "cpu", 1), Case("other", "fp32", "cpu", 1)]
    base = Side("base", "python", tree, tree=tree, options=options, lacking={},
                models={"mine": "out.pth is"})  # fmt: skip
    assert incomparable(cases, {"base": base, "head": head()}) == {"mine/fp32/cpu/b1": "out.pth is"}
    # What the user's own tree lacks is a fault, and a verdict of its own.
    own = replace(base, lacking=None)
    assert incomparable(cases, {"base": own, "head": own}) == {}
