"""What ONNX Runtime executed of a graph, counted from its own profile of one call.

The nodes are those that are left after all optimisations, each with the types of its inputs. A
product with a constant operand (a linear layer) is told from one of two activations (attention) by
the optimised graph, which the session writes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vitbench.structure import Counters

PRODUCTS = ("MatMul", "FusedMatMul", "Gemm", "FusedGemm")
MAIN = "ai.onnx"  # the domain that a file leaves empty


def counted(events: Iterable[Mapping[str, Any]], optimised: Path, source: Path) -> Counters:
    """`events` of the kind "Node" in one call; `optimised` and `source` are files of ONNX."""
    import onnx

    graph = onnx.load(optimised, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    with_weights = {
        node.name
        for node in graph.node
        if node.op_type in PRODUCTS and constants.intersection(node.input[:2])
    }
    operators = Counter[str]()
    for event in events:
        about = event["args"]
        types = {name for shape in about.get("input_type_shape", ()) for name in shape}
        weights = event["name"].removesuffix("_kernel_time") in with_weights
        words = [about["op_name"], *sorted(types), *(["weights"] if weights else [])]
        operators[" ".join(words)] += 1
    opsets = onnx.load(source, load_external_data=False).opset_import
    versions = {f"opset of {each.domain or MAIN}": each.version for each in opsets}
    return {"operators": dict(operators), "artifact": versions}
