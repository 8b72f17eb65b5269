"""The graph of a module in OpenVINO, and its linear layers in int8.

For int8, NNCF makes the linear layers int8: weights with a scale per output channel, activations
with one for the tensor, fixed by calibration. The patch convolution, attention's own products and
all between are in the precision that the option `rest` names. Three of NNCF's defaults are off,
which on DeiT-Tiny makes the error of the logits a sixth (0.024 of them instead of 0.149):
- The convolution and attention stay float, which alone halves it.
- No SmoothQuant: what it takes from the activations' ranges, it adds to the weights'.
- Weights have seven bits, activations are symmetric: without VNNI, x86 sums pairs of products in
  saturating 16 bits, which eight bits reach. So every CPU computes the same.
"""

from collections.abc import Sequence
from typing import Any

FLOAT = ("Convolution", "ScaledDotProductAttention")


def traced(module: Any, image: Sequence[int]) -> Any:
    import openvino
    import torch

    # Two images, so that no dimension of the trace is taken for the constant one.
    return openvino.convert_model(
        module,
        example_input=torch.zeros(2, *image),
        input=[openvino.PartialShape([-1, *image])],
    )


def linear_layers(graph: Any) -> dict[str, str]:
    """The name of the linear layer that a product with a constant weight is of, by its node's name.

    The constant has the name of the weight in the module, after `self.`. One whose input is the
    same for all images is left out: NNCF leaves that in float, too.
    """
    found: dict[str, str] = {}
    same = fixed(graph)
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "MatMul" and node.get_friendly_name() not in same:
            weight = node.input_value(1).get_node().get_friendly_name()
            if weight.startswith("self.") and weight.endswith(".weight"):
                found[node.get_friendly_name()] = weight[len("self.") : -len(".weight")]
    return found


def fixed(graph: Any) -> list[str]:
    """The names of the products that are the same for all images, as of a learnt query."""
    other, found = set[str](), []
    for node in graph.get_ordered_ops():
        name, kind = node.get_friendly_name(), node.get_type_name()
        inputs = [each.get_node().get_friendly_name() for each in node.input_values()]
        # How many images there are says nothing of them.
        if kind == "Parameter" or (kind != "ShapeOf" and not other.isdisjoint(inputs)):
            other.add(name)
        elif kind == "MatMul":
            found.append(name)
    return found


def quantized(graph: Any, images: Any, left: list[str]) -> Any:
    """Nodes of these names are `left` in float."""
    import nncf

    return nncf.quantize(
        graph,
        nncf.Dataset([image[None] for image in images]),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=left, types=list(FLOAT), validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.ENABLE,
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1),
        ),
    )
