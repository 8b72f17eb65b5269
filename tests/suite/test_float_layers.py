"""The option `float_layers`: the layers that it names are float in what is executed."""

import re
from dataclasses import replace
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from tests.helpers.ruined import ruin
from vitbench import models
from vitbench.errors import Unavailable, UserError
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.runtimes import RUNTIMES, Placement, load, operators, variant
from vitbench.runtimes.linear_layers import linear_names, quantized, replaceable
from vitbench.runtimes.onnx_graph import INTEGER_PRODUCTS

RUINED = "blocks.1.mlp.fc2"
ARCHITECTURE = {
    "source": "small", "name": "vit_tiny_patch16_224", "image": [3, 32, 32],
    "arguments": {"img_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 3, "num_classes": 7},
}  # fmt: skip
IMAGES = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)


class Source:
    """A source of models for `models.skeleton`."""

    @staticmethod
    def skeleton(architecture):
        import timm

        torch.manual_seed(0)
        return timm.create_model(architecture["name"], **architecture["arguments"]).eval()


@pytest.fixture(scope="module")
def ruined():
    """The model, whose `RUINED` layer int8 ruins."""
    model = model_of(ARCHITECTURE)
    model.module.get_submodule(RUINED).weight.mul_(20)  # so that the logits depend on it
    ruin(model.module, RUINED)
    return model


def model_of(architecture):
    module = Source.skeleton(architecture).requires_grad_(False)
    spec = ModelSpec("m", "small", "m", None, "m")
    weights = Weights("seeded", "0", None, True, "planted")
    return Model(spec, module, architecture, None, (), weights, scriptable=True)


@pytest.fixture(autouse=True)
def source(monkeypatch):
    monkeypatch.setattr(models, "SOURCES", {**models.SOURCES, "small": Source})


def built(model, row, folder, images=IMAGES):
    """What the runtime says of the layers, and where the artifact lies."""
    runtime = RUNTIMES[row.runtime]
    try:
        runtime.version()
        runtime.supports(row, "cpu")
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    folder.mkdir()
    path = folder / f"artifact{runtime.suffix(row)}"
    layers = runtime.build(model, row, path, images if row.calibrated else None)
    return layers, Placement(path, row, "cpu", model.architecture, 1)


def error(model, placement):
    """The relative error of the logits."""
    with torch.inference_mode():
        wanted = model.module(torch.from_numpy(IMAGES)).numpy()
    found = load(placement).logits(IMAGES)
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def profiled(pattern):
    """Counts the operators of a profile by their names."""

    def count(placement, images=IMAGES):
        found = operators(placement, images[:1])
        return sum(each.calls for each in found if re.search(pattern, each.name))

    return count


def compiled(pattern):
    """Counts a pattern in the code that AOTInductor generated."""

    def count(placement, _=IMAGES):
        with ZipFile(placement.path) as package:
            names = [name for name in package.namelist() if name.endswith(".wrapper.cpp")]
            return sum(len(re.findall(pattern, package.read(name).decode())) for name in names)

    return count


def tuned(placement):
    """A block in one region is four of them."""
    single, blocks = (profiled(f"vitbench_.*::{name}$")(placement) for name in ("linear", "block"))
    return single + 4 * blocks


INT8 = profiled("quantized::linear_dynamic")
QLINEAR = compiled(r"_qlinear_pointwise\w*\(")
ORT = profiled("|".join(INTEGER_PRODUCTS))
OPENVINO = profiled("FullyConnected.*i8$")
# How often an int8 product is executed in a call, by variant; None where nothing tells.
PRODUCTS = {
    "int8-dynamic": INT8,
    "int8-dynamic-qnnpack": INT8,
    "scripted-int8": INT8,
    "lite-int8": INT8,
    "tuned-int8": tuned,
    "ort-int8-dynamic": ORT,
    "ort-int8-static": ORT,
    "openvino-int8": OPENVINO,
    "torchao-int8-weight": compiled(r"constants_info_\[\d+\]\.dtype = \w*int8;"),
    "torchao-int8-dynamic": QLINEAR,
    "pt2e-int8": QLINEAR,
    "executorch-int8-dynamic": None,
    "zentorch-int8": profiled("^zentorch::zentorch_dynamic_qlinear$"),
    "zentorch-int8-torchao": profiled("qlinear_pointwise"),
}
ENGINES = ("fbgemm", "onednn")
# A compiler or a library's import takes most of their time.
QUICK = ("int8-dynamic", "int8-dynamic-qnnpack", "scripted-int8", "lite-int8")


def every_recipe():
    for name in PRODUCTS:
        marks = [] if name in QUICK else [pytest.mark.thorough]
        yield pytest.param(variant(name), id=name, marks=marks)
    for engine in ENGINES:
        yield pytest.param(replace(variant("int8-dynamic"), options={"engine": engine}), id=engine)


def with_float(row, *names):
    return replace(row, options={**row.options, "float_layers": list(names)})


@pytest.mark.parametrize("row", list(every_recipe()))
def test_the_layer_named_is_float_in_what_is_executed(ruined, tmp_path, row):
    """BROKEN with all layers in int8, and KEPT with the ruined one in float."""
    whole, all_int8 = built(ruined, row, tmp_path / "whole")
    part, one_float = built(ruined, with_float(row, "*.1.mlp.fc2"), tmp_path / "part")
    names = ["patch_embed.proj"] if row.runtime == "tuned" else []
    names += replaceable(ruined.module, (3, 32, 32))
    assert whole["quantized_names"] == names
    assert part["quantized_names"] == [name for name in names if name != RUINED]
    assert whole["quantized_layers"], whole["float_layers"] == (9, 0)
    assert part["quantized_layers"], part["float_layers"] == (8, 1)
    assert (whole["float_by_option"], part["float_by_option"]) == (0, 1)
    if count := PRODUCTS[row.name]:
        assert count(all_int8) == count(one_float) + 1 == len(names)
    assert error(ruined, all_int8) > 2 * row.limits.relative_error
    assert error(ruined, one_float) < row.limits.relative_error / 2


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["ort-int8-dynamic", "openvino-int8", "executorch-int8-dynamic"])
def test_a_layer_whose_weight_the_network_reads_has_its_name_in_a_graph(tmp_path, name):
    """EVA-02 multiplies by `attn.qkv.weight` itself."""
    image = [3, 56, 56]
    arguments = {**ARCHITECTURE["arguments"], "img_size": 56}
    eva = {**ARCHITECTURE, "name": "eva02_tiny_patch14_224", "arguments": arguments, "image": image}
    model = model_of(eva)
    images = np.random.default_rng(0).normal(size=(4, *image)).astype(np.float32)
    row = with_float(variant(name), "blocks.1.attn.qkv")
    layers, placement = built(model, row, tmp_path / "part", images)
    names = linear_names(model.module)
    assert "blocks.1.attn.qkv" in names
    assert layers["quantized_names"] == [each for each in names if each != "blocks.1.attn.qkv"]
    if count := PRODUCTS[name]:
        assert count(placement, images) == len(names) - 1


def test_names_that_mean_nothing():
    row, names = variant("int8-dynamic"), ["blocks.0.mlp.fc1", "blocks.0.mlp.fc2", "head"]
    assert quantized(names, row) == names
    assert quantized(names, with_float(row, "blocks.*.fc2", "head")) == names[:1]
    with pytest.raises(UserError) as caught:
        quantized(names, with_float(row, "head", "block.0.mlp.fc1"))
    assert str(caught.value) == (
        "int8-dynamic: float_layers names 'block.0.mlp.fc1', and no int8 layer of the model has "
        "such a name: nearest: blocks.0.mlp.fc1, blocks.0.mlp.fc2; a name is the model's own, or a "
        "glob such as 'blocks.*.mlp.fc2'"
    )
    with pytest.raises(Unavailable, match="nothing to quantize: float_layers leaves all 3 layers"):
        quantized(names, with_float(row, "*.mlp.*", "head"))
