"""What real runtimes execute, counted: what must be seen, and what must not."""

import re
import subprocess
import sys
from dataclasses import replace
from zipfile import ZipFile

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.rebuilds import SPEC_ARGS
from vitbench.errors import Unavailable
from vitbench.models import ModelSpec, load_model
from vitbench.runtimes import (
    VARIANTS,
    Placement,
    aot_counts,
    runtime,
    structure,
    torch_common,
    torch_counts,
    variant,
)
from vitbench.runtimes import onnxruntime as ort
from vitbench.runtimes import openvino as ov
from vitbench.runtimes.structures import structure_of
from vitbench.structure import Structure, differences
from vitbench.structure.groups import derived

ZEROS = np.zeros((1, 3, 32, 32), np.float32)
SPEC = ModelSpec("m", "timm", "vit_tiny_patch16_224", None, "timm:m", args=SPEC_ARGS)


@pytest.fixture
def counted(tmp_path):
    """Build a variant of a small ViT and count it: the rows' `options`, noise in its weights."""

    def count(name, noise=0.0, images=ZEROS, fused=True, **options):
        import torch
        from timm.layers import set_fused_attn

        row = variant(name)
        row = replace(row, options={**row.options, **options})
        set_fused_attn(fused)
        try:
            model = load_model(SPEC, "seeded")
            with torch.no_grad():
                for parameter in model.module.parameters():
                    parameter.add_(noise * torch.randn_like(parameter))
            made = runtime(row.runtime)
            path = tmp_path / f"{name}{made.suffix(row)}"
            calibration = np.zeros((2, 3, 32, 32), np.float32) if row.calibrated else None
            made.build(model, row, path, calibration)
            placement = Placement(path, row, "cpu", model.architecture, 1)
            return structure(placement, images, path.stat().st_size)
        finally:
            set_fused_attn(enable=True)

    return count


@pytest.mark.parametrize("name", ["fp32", "int8-dynamic", "scripted", "lite-int8"])
def test_a_rebuild_of_other_weights_on_other_images_is_the_same(counted, name):
    noise = np.random.default_rng(0).standard_normal(ZEROS.shape, np.float32)
    first = counted(name)
    assert first.counters["memory"]["allocations"] > 0
    assert first.counters["arithmetic"]["FLOPs"] > 0
    assert differences(first, counted(name, noise=0.1, images=noise)) == []


@pytest.mark.parametrize("name", ["fp32", "scripted"])
def test_fused_attention_that_is_off_is_seen(counted, name):
    lines = differences(counted(name), counted(name, fused=False))
    assert lines[0] == (
        "attention: 2 x scaled_dot_product_flash_attention became 2 x softmax + 4 x bmm"
    )
    assert "elementwise: 2 x mul are new" in lines


@pytest.mark.parametrize("name", ["int8-dynamic", "scripted-int8"])
def test_a_linear_layer_that_is_float_again_is_seen(counted, name):
    lines = differences(counted(name), counted(name, float_layers=["blocks.0.mlp.fc1"]))
    assert "products: 9 int8 became 1 float + 8 int8" in lines
    assert (
        "linear: 9 x quantized::linear_dynamic became 1 x addmm + 8 x quantized::linear_dynamic"
        in lines
    )


@pytest.mark.thorough
def test_a_linear_layer_that_an_exported_graph_leaves_in_float_is_seen(counted):
    base, again = counted("ort-int8-dynamic"), counted("ort-int8-dynamic", noise=0.1)
    assert differences(base, again) == []
    lines = differences(base, counted("ort-int8-dynamic", float_layers=["blocks.0.mlp.fc1"]))
    assert "products: 4 float + 9 int8 became 5 float + 8 int8" in lines


@pytest.mark.thorough
def test_no_build_of_any_variant_differs_from_another():
    done = subprocess.run(
        [sys.executable, "-m", "tests.rebuilds"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    kept = [row.name for row in VARIANTS if "cpu" in row.devices]
    found = [name for name in kept if f"{name}: 0 differences in 20 counts" in done.stdout]
    left = [name for name in kept if f"{name}: not counted: Unavailable" in done.stdout]
    assert {*found, *left} == {*kept}, done.stdout
    assert "fp32" in found


def compiled(forward):
    """The counters of a module that torch.compile meets, without the slow half of compiling."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)
            self.calls = 0

        def forward(self, x):
            return forward(self, self.linear(x))

    def load():
        module = torch.compile(Model().eval(), backend="eager", dynamic=False)
        return torch_common.deployment(module, Placement("", variant("fp32"), "cpu", {}, 1))

    found = torch_counts.counters(load, "cpu", np.zeros((2, 4), np.float32))
    return Structure(KEY, found)


def broken(_, x):
    print()
    return x * 2


def growing(model, x):
    """Each of the first calls is another constant for the compiler."""
    model.calls = min(model.calls + 1, 2)
    return x * (2 + 0 * model.calls)


def plain(_, x):
    return x * 2


@pytest.mark.filterwarnings("ignore")
def test_a_graph_break_and_a_recompilation_are_seen():
    base = compiled(plain)
    graph = {name: count for name, count in base.counters["graph"].items() if count}
    assert graph == {"graphs": 1}
    assert differences(base, compiled(plain)) == []
    lines = differences(base, compiled(broken))
    assert re.fullmatch(r"graph, breaks: 0 became [12]", lines[0])
    assert lines[1:] == ["graph, graphs: 1 became 2"]
    more = compiled(growing).counters["graph"]
    assert more["breaks"] == 0
    assert more["recompilations"] >= 1
    assert more["graphs"] == 1 + more["recompilations"]


def onnx_file(path, opset=20, layers=2):
    """Images (N, 3, 2, 2), flattened, through linear layers."""
    import onnx
    from onnx import helper, numpy_helper

    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.standard_normal((12, 12), np.float32), f"w{i}")
        for i in range(layers)
    ]
    nodes = [helper.make_node("Flatten", ["images"], ["x0"], "flat")]
    for i in range(layers):
        answer = "logits" if i == layers - 1 else f"x{i + 1}"
        nodes.append(helper.make_node("MatMul", [f"x{i}", f"w{i}"], [answer], f"linear{i}"))
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("images", kind, ["n", 3, 2, 2])],
        [helper.make_tensor_value_info("logits", kind, ["n", 12])], weights,
    )  # fmt: skip
    found = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.save(found, path)
    return path


WRAPPER = """
extern "C"  void  cpp_fused_gelu_1(const float* in_ptr0, float* out_ptr0);
void* cpp_fused_gelu_1{nullptr};
void Model::run_impl(AtenTensorHandle* input_handles) {
    cpp_fused_gelu_1((const float*)(arg0_1.data_ptr()), (float*)(buf0.data_ptr()), s77);
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu__LINEAR(buf1, buf0));
    cpp_fused_gelu_2((const float*)(buf1.data_ptr()), (float*)(buf2.data_ptr()), s77);
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_addmm_out(buf3, buf2));
}
"""


def test_a_package_of_aot_inductor_is_counted_by_its_code(tmp_path):
    found = []
    for name in ("qlinear_pointwise", "linear_pointwise"):
        with ZipFile(tmp_path / f"{name}.pt2", "w") as package:
            package.writestr("m/data/x.wrapper.cpp", WRAPPER.replace("LINEAR", name))
        counters = aot_counts.counted(tmp_path / f"{name}.pt2")
        assert counters["kernels"] == {"cpp_fused_gelu": 2}
        found.append(Structure(KEY, {**derived(counters["operators"]), **counters}))
    assert differences(found[0], found[0]) == []
    assert differences(*found) == [
        "linear: 1 x qlinear_pointwise became 1 x linear_pointwise",
        "products: 1 float + 1 int8 became 2 float",
    ]


KEY = Structure.from_json(
    {
        "key": {"runtime": "r", "versions": {}, "isa": [], "threads": 1, "batch": 1,
                "device": "cpu"},
        "counters": {"operators": {"x": 1}},
    }
).key  # fmt: skip
IMAGE = {"image": [3, 2, 2]}


def of_file(reader, path, name):
    placement = Placement(path, variant(name), "cpu", IMAGE, 1)
    found = reader.structure(placement, np.zeros((1, 3, 2, 2), np.float32))
    return Structure(KEY, {**derived(found["operators"]), **found})


def test_another_opset_of_an_onnx_file_is_seen(tmp_path):
    base, head, again = (
        of_file(ort, onnx_file(tmp_path / f"{i}.onnx", opset), "ort-fp32")
        for i, opset in enumerate([20, 17, 20])
    )
    assert differences(base, again) == []
    assert differences(base, head) == ["artifact, opset of ai.onnx: 20 became 17"]


def test_a_linear_layer_that_onnx_runtime_leaves_in_float_is_seen(tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    plain, found = onnx_file(tmp_path / "plain.onnx"), []
    for left in ([], ["linear1"]):
        path = tmp_path / "int8.onnx"
        quantize_dynamic(plain, path, nodes_to_exclude=left)
        found.append(of_file(ort, path, "ort-int8-dynamic"))
    assert found[0].counters["products"] == {"int8": 2}
    assert "products: 2 int8 became 1 float + 1 int8" in differences(*found)


def test_another_layer_in_openvino_is_seen(tmp_path):
    path = onnx_file(tmp_path / "plain.onnx")
    base, again = (of_file(ov, path, "openvino-fp32") for _ in range(2))
    assert differences(base, again) == []
    more = of_file(ov, onnx_file(tmp_path / "more.onnx", layers=3), "openvino-fp32")
    [line] = differences(base, more)  # which are small enough for one kernel
    moved = r"other operators: 1 x Subgraph \(\w+/2\) became 1 x Subgraph \(\w+/3\)"
    assert re.fullmatch(moved, line)


def test_a_runtime_without_the_verb_and_one_that_counts_nothing_are_unavailable(tmp_path):
    placement = Placement(tmp_path, variant("fp32"), "cpu", {}, 1)
    with pytest.raises(Unavailable, match="the runtime eager has no verb structure"):
        structure_of(object(), placement, ZEROS, "torch 2", 0)
    with pytest.raises(Unavailable, match="r reports no operator"):
        Structure(KEY, {"operators": {}})
