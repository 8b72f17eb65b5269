"""What a call executes, counted and compared: the record, and a line for each difference."""

import json
from dataclasses import replace

import pytest

from vitbench.errors import Unavailable
from vitbench.structure import Key, Structure, differences
from vitbench.structure.groups import derived, group_of

KEY = Key("eager", {"torch": "2.12.1", "timm": "1.0.31"}, ("avx2", "avx512f"), 2, 1, "cpu")
FUSED = {"_scaled_dot_product_flash_attention_for_cpu float32": 12, "addmm float32": 50}
PLAIN = {"bmm float32": 24, "_softmax float32": 12, "addmm float32": 50}


def of(operators, key=KEY, **kinds):
    return Structure(key, {**derived(operators), "operators": operators, **kinds})


def test_what_moved_together_is_one_line():
    assert differences(of(FUSED), of(PLAIN)) == [
        "attention: 12 x scaled_dot_product_flash_attention became 12 x softmax + 24 x bmm",
        "products: 50 float became 74 float",
    ]


def test_a_product_that_is_float_again_is_seen():
    base = of({"quantized::linear_dynamic float32": 12})
    head = of({"quantized::linear_dynamic float32": 11, "addmm float32": 1})
    assert differences(base, head) == [
        "linear: 12 x quantized::linear_dynamic became 1 x addmm + 11 x quantized::linear_dynamic",
        "products: 12 int8 became 1 float + 11 int8",
    ]


def test_types_are_shown_where_they_differ():
    base, head = of({"bmm float32": 2}), of({"bmm bfloat16": 2})
    assert differences(base, head) == ["attention: 2 x bmm (float32) became 2 x bmm (bfloat16)"]


def test_new_and_gone():
    base, head = of({"gelu float32": 1, "add float32": 2}), of({"add float32": 2, "mul float32": 3})
    assert differences(base, head) == [
        "activation: 1 x gelu is gone",
        "elementwise: 3 x mul are new",
    ]


def test_the_order_of_counting_and_zeros_are_no_difference():
    other = Structure(
        replace(KEY, versions=dict(reversed(KEY.versions.items())), isa=KEY.isa[::-1]),
        {"graph": {"breaks": 0}, **dict(reversed(of(FUSED).counters.items()))},
    )
    assert differences(of(FUSED), other) == []
    assert json.dumps(other.to_json()["key"]) == json.dumps(of(FUSED).to_json()["key"])


def test_a_graph_break_an_allocation_and_another_version_are_lines():
    base = of(FUSED, graph={"graphs": 1}, memory={"allocations": 1041}, artifact={"opset": 20})
    key = replace(KEY, versions={"torch": "2.13.0", "timm": "1.0.31"}, threads=4)
    head = of(
        FUSED, key, graph={"graphs": 2, "breaks": 1}, memory={"allocations": 1042},
        artifact={"opset": 17},
    )  # fmt: skip
    assert differences(base, head) == [
        "threads: 2 became 4",
        "versions: torch 2.12.1 became 2.13.0",
        "graph, breaks: 0 became 1",
        "graph, graphs: 1 became 2",
        "memory, allocations: 1,041 became 1,042",
        "artifact, opset: 20 became 17",
    ]


def test_a_structure_without_operators_is_none():
    for operators in ({}, {"addmm float32": 0}):
        with pytest.raises(Unavailable, match="eager reports no operator of the call"):
            of(operators)


def test_json_there_and_back():
    one = of(FUSED, memory={"allocations": 41})
    again = Structure.from_json(json.loads(json.dumps(one.to_json())))
    assert again.to_json() == one.to_json()
    assert differences(one, again) == []


@pytest.mark.parametrize(
    "broken",
    [[], {}, {"key": {}, "counters": {}}, {**of(FUSED).to_json(), "counters": {"operators": 3}},
     {**of(FUSED).to_json(), "counters": {"operators": {"addmm": -1}}},
     {**of(FUSED).to_json(), "counters": {"operators": {"addmm": 1.5}}}],
)  # fmt: skip
def test_other_json_is_no_structure(broken):
    with pytest.raises(Unavailable, match="this is no structure"):
        Structure.from_json(broken)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("DynamicQuantizeLinear", "quantization"), ("DequantizeLinear", "quantization"),
        ("quantized::linear_dynamic float32", "linear"), ("DynamicQuantizeMatMul", "linear"),
        ("MatMulIntegerToFloat", "linear"), ("MatMul float32 weights", "linear"),
        ("MatMul float32", "attention"), ("FullyConnected i8", "linear"),
        ("mkldnn_convolution float32", "convolution"), ("Convert f32", "copies"),
        ("native_layer_norm float32", "normalisation"), ("Erf", "activation"),
        ("nobody_knows", "other operators"),
    ],
)  # fmt: skip
def test_what_an_operator_is_for(name, group):
    assert group_of(name) == group
