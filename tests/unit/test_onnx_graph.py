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


def test_a_product_that_is_the_same_for_all_images_is_no_int8_layer(tmp_path):
    """As of a learnt query, repeated for each image: a session computes it once, in float."""
    make, value = onnx.helper, onnx.helper.make_tensor_value_info
    random = np.random.default_rng(0)
    shapes = {"query": (1, 16), "wq": (16, 8), "wk": (24, 8), "wo": (8, 4)}
    graph = make.make_graph(
        [
            make.make_node("Shape", ["images"], ["n"], "shape", end=1),
            make.make_node("Concat", ["n", "one"], ["many"], "many", axis=0),
            make.make_node("Expand", ["query", "many"], ["queries"], "expand"),
            make.make_node("MatMul", ["queries", "wq"], ["q"], "asks"),
            make.make_node("MatMul", ["images", "wk"], ["k"], "answers"),
            make.make_node("Mul", ["q", "k"], ["both"], "mul"),
            make.make_node("MatMul", ["both", "wo"], ["logits"], "head"),
        ],
        "pool",
        [value("images", 1, ["batch", 24])],
        [value("logits", 1, ["batch", 4])],
        [
            *(
                onnx.numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
                for name, shape in shapes.items()
            ),
            onnx.numpy_helper.from_array(np.ones(1, np.int64), "one"),
        ],
    )
    opset = [make.make_opsetid("", onnx_graph.OPSET)]
    made = make.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.save(made, tmp_path / "plain.onnx")
    assert onnx_graph.fixed_products(made.graph) == {"asks"}
    onnx_graph.quantize(tmp_path / "plain.onnx", tmp_path / "int8.onnx", None)
    weights = onnx.load(tmp_path / "int8.onnx").graph.initializer
    integers = [list(t.dims) for t in weights if t.data_type == onnx.TensorProto.INT8]
    assert sorted(dims for dims in integers if len(dims) == 2) == [[8, 4], [24, 8]]


def test_openvino_s_products_of_no_image_are_found():
    openvino = pytest.importorskip("openvino", reason="openvino is in the extra runtimes")
    from openvino import opset13 as ops

    from vitbench.runtimes.openvino_graph import fixed

    images = ops.parameter([-1, 24], np.float32, name="images")
    query = ops.broadcast(np.ones((1, 24), np.float32), ops.shape_of(images))
    asks = ops.matmul(query, np.ones((24, 8), np.float32), False, False)
    answers = ops.matmul(images, np.ones((24, 8), np.float32), False, False)
    asks.set_friendly_name("asks")
    answers.set_friendly_name("answers")
    graph = openvino.Model([ops.multiply(asks, answers)], [images])
    assert fixed(graph) == ["asks"]


def test_a_gemm_is_left_in_float_by_its_name(tmp_path):
    """The quantizer makes a MatMul of another name of it first."""
    values = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    weights = [onnx.numpy_helper.from_array(values, name) for name in ("one", "two")]
    weights.append(onnx.numpy_helper.from_array(values[0], "bias"))
    nodes = [
        onnx.helper.make_node("MatMul", ["images", "one"], ["hidden"], "product"),
        onnx.helper.make_node("Gemm", ["hidden", "two", "bias"], ["logits"], "head"),
    ]
    sides = [
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 16])]
        for name in ("images", "logits")
    ]
    graph = onnx.helper.make_graph(nodes, "g", *sides, weights)
    opset = [onnx.helper.make_opsetid("", onnx_graph.OPSET)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset), tmp_path / "plain.onnx")
    for left in ([], ["head"], ["product"]):
        onnx_graph.quantize(tmp_path / "plain.onnx", tmp_path / "int8.onnx", None, left)
        kinds = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
        assert kinds.count("MatMulInteger") == 2 - len(left)
