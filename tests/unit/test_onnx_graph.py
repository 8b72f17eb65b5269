"""Graphs that onnxruntime's quantizer refuses, as they come from an exporter."""

import numpy as np
import pytest
from packaging.version import Version

onnx = pytest.importorskip("onnx", reason="onnx is in the extra runtimes")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra runtimes")

from vitbench.runtimes import onnx_graph  # noqa: E402 - imports neither itself


@pytest.fixture
def exported():
    """A head as torch exports it: the weight is transposed, and its shape is there twice."""
    make, value = onnx.helper, onnx.helper.make_tensor_value_info
    weight = np.random.default_rng(0).normal(size=(20, 192)).astype(np.float32)
    graph = make.make_graph(
        [
            make.make_node("Gemm", ["images", "w", "b"], ["scores"], "head", transB=1),
            make.make_node("Tanh", ["scores"], ["logits"], "tanh"),
        ],
        "one",
        [value("images", 1, ["batch", 192])],
        [value("logits", 1, ["batch", 20])],
        [
            onnx.numpy_helper.from_array(weight, "w"),
            onnx.numpy_helper.from_array(np.zeros(20, np.float32), "b"),
        ],
        value_info=[
            value("w", 1, [20, 192]), value("b", 1, [20]), value("scores", 1, ["batch", 20])
        ],
    )  # fmt: skip
    opset = [make.make_opsetid("", onnx_graph.OPSET)]
    return make.make_model(graph, opset_imports=opset, ir_version=10)


@pytest.mark.skipif(
    Version(ort.__version__) >= Version("1.32"), reason="onnxruntime 1.32 takes such a graph"
)
def test_shapes_that_are_there_twice_stop_the_quantizer(exported, tmp_path):
    onnx.save(exported, tmp_path / "plain.onnx")
    with pytest.raises(Exception, match="Inferred shape and existing shape differ"):
        onnx_graph.quantize(tmp_path / "plain.onnx", tmp_path / "int8.onnx", None)


def test_without_them_the_weights_become_integers(exported, tmp_path):
    onnx_graph.drop_shapes_of_weights(exported.graph)
    assert [each.name for each in exported.graph.value_info] == ["scores"]
    onnx.save(exported, tmp_path / "plain.onnx")
    onnx_graph.quantize(tmp_path / "plain.onnx", tmp_path / "int8.onnx", None)
    weights = onnx.load(tmp_path / "int8.onnx").graph.initializer
    assert [192, 20] in [list(t.dims) for t in weights if t.data_type == onnx.TensorProto.INT8]
