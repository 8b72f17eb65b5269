"""Every recipe for the CPU on small models of transformers; `test_runtimes` has them on timm's."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.helpers import hf_families as families
from tests.suite.test_runtimes import FIRST, MODEL, options
from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.measure.session import Session
from vitbench.runtimes import VARIANTS, variant

NAMES = [row.name for row in VARIANTS if "cpu" in row.devices]
# Each takes 5 to 10 s of a core; the layers of tuned-int8 come compiled from the cache.
COMPILING = ("inductor", "aot_inductor", "zentorch")
COMPILED = [name for name in NAMES if variant(name).runtime in COMPILING]
QUICK = [name for name in NAMES if name not in COMPILED]
# Of each runtime that builds in a moment, and of each that takes 10 s a model.
OF_FAMILIES = [n for n in FIRST if n in QUICK and variant(n).runtime != "executorch"]
SLOW = [n for n in FIRST if n not in OF_FAMILIES]
# Where a recipe does not keep its limits on a family, as a user is told: MobileViT is 16 wide here.
KNOWN = {
    ("mobilevit", "tuned-int8"): "error 0.1",
}


def small(kind, folder):
    """A folder of transformers' ViT or DeiT: 2 blocks, 48 wide, 64 pixels; or of a family."""
    import torch
    import transformers

    if kind not in ("ViT", "DeiT"):
        families.any_of(folder, kind)
        return
    size = {"height": 64, "width": 64}
    numbers = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3,
               "intermediate_size": 192, "image_size": 64, "num_labels": 6}  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(**numbers)
        model = getattr(transformers, f"{kind}ForImageClassification")(config)
    model.save_pretrained(folder)
    more = {"crop_size": size} if kind == "DeiT" else {}
    getattr(transformers, f"{kind}ImageProcessor")(size=size, **more).save_pretrained(folder)


def outcomes(asked, cache, environment, tmp_path):
    """What `every_variant` answers on `{"ViT": names, "DeiT": names}`, or on those of families."""
    for kind in asked:
        small(kind, tmp_path / kind)
    try:
        case = Case(MODEL, "tuned-int8", "cpu", 1)
        layers = Session(options(cache)).artifact(case).path.with_suffix(".so")
    except Unavailable:  # as the child finds, too
        layers = tmp_path / "none.so"
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.every_variant", str(layers)],
        input=json.dumps({str(tmp_path / kind): names for kind, names in asked.items()}),
        cwd=ROOT, env=environment, text=True, capture_output=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    return {kind: found[str(tmp_path / kind)] for kind in asked}


def wrong(found):
    """A sentence for each recipe that failed, or whose logits are further off than its limit."""
    said = []
    for kind, each in found.items():
        for name, outcome in each.items():
            limit = variant(name).limits.relative_error
            if "failed" in outcome:
                said.append(f"{kind} {name}: {outcome['failed']}")
            elif not outcome.get("relative_error", 0.0 if "unavailable" in outcome else 9) <= limit:
                said.append(f"{kind} {name}: error {outcome.get('relative_error')}")
    return said


def test_a_recipe_that_fails_or_errs_is_found():
    fine = {"relative_error": 1e-6}
    found = {"ViT": {"fp32": fine, "bf16": {"failed": "x"}, "scripted": {"relative_error": 0.01},
                     "int8-dynamic": {"relative_error": float("nan")}, "ort-fp32": {},
                     "tuned-int8": {"unavailable": "no AVX2"}}}  # fmt: skip
    assert [each.split()[1] for each in wrong(found)] == [
        "bf16:", "scripted:", "int8-dynamic:", "ort-fp32:",
    ]  # fmt: skip


def test_each_recipe_takes_transformers_vit_or_deit(cache, environment, tmp_path):
    """Each of the two; `thorough` tries both."""
    asked = {"ViT": QUICK[::2], "DeiT": QUICK[1::2]}
    found = outcomes(asked, cache, environment, tmp_path)
    assert not wrong(found), found
    assert {kind: list(each) for kind, each in found.items()} == asked
    each = {**found["ViT"], **found["DeiT"]}
    compared = [name for name, outcome in each.items() if "relative_error" in outcome]
    assert {"fp32", "scripted", "int8-dynamic", "lite-int8"} <= set(compared), each


@pytest.mark.thorough
@pytest.mark.parametrize("names", [QUICK, COMPILED], ids=["quick", "compiled"])
def test_every_recipe_takes_both(cache, environment, tmp_path, names):
    found = outcomes({"ViT": names, "DeiT": names}, cache, environment, tmp_path)
    assert not wrong(found), found


@pytest.mark.thorough
@pytest.mark.parametrize("name", [*families.CLASSIFIERS, *families.TOWER_NAMES])
def test_each_runtime_takes_each_family(cache, environment, tmp_path, name):
    slow = SLOW if name in ("swin", "mobilevit", "tower-clip") else []
    found = outcomes({name: [*OF_FAMILIES, *slow]}, cache, environment, tmp_path)
    said = wrong(found)
    known = [words for (kind, _), words in KNOWN.items() if kind == name]
    assert len(said) == len(known), said
    assert all(words in each for words, each in zip(known, said, strict=True)), said
    assert "relative_error" in found[name]["scripted"]
