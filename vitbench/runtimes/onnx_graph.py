"""The ONNX files of the recipes: a graph with a free batch, in float32 or with int8 linear layers.

In int8 every product with a constant weight (the linear layers) multiplies integers. Attention's
own products stay float32, because quantizing them too made the error of DeiT-Tiny's static logits
six times as large; so do the patch convolution, which dynamic int8 has no kernel for, and all that
lies between. Weights have a scale per output channel, activations one for the whole tensor: found
in each call, or fixed by calibration to the least and greatest value seen. Clipping those ranges
(percentiles, entropy) was no better on DeiT-Tiny.

Weights have seven bits (`reduce_range`). Without VNNI, x86 adds pairs of products in saturating 16
bits: eight-bit weights overflow them, which tripled the error of DeiT-Tiny's logits, and seven-bit
weights cannot. So every CPU computes the same integers.
"""

import ast
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable, in_short
from vitbench.runtimes import parts

OPSET = 20  # the first with GELU as one operator
INPUT, OUTPUT = "images", "logits"
PRODUCTS = ("MatMul", "Gemm")
# What the CPU's optimiser makes of a quantized product.
INTEGER_PRODUCTS = ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm")
CALIBRATION_BATCH = 1
SCOPES = "pkg.torch.onnx.name_scopes"
"""The exporter's note on a node: a list of the names of modules, from the outermost."""


def write(module: Any, image: Sequence[int], path: Path) -> dict[str, str]:
    """Export a torch module that takes images (N, *image) to one file, weights included.

    Returns the name of the linear layer that each product with a constant weight is of, by the name
    of its node. Raises Unavailable, with the reason, where torch's exporter does not take it.
    """
    import onnx

    proto, found = parts.once("ONNX graph", module, lambda: _exported(module, image))
    onnx.save(proto, path)
    return dict(found)


def _exported(module: Any, image: Sequence[int]) -> tuple[Any, dict[str, str]]:
    """The graph, and what `write` returns."""
    import torch

    try:
        with _attention_of_four_dimensions():
            program = torch.onnx.export(
                module,
                # Two images, so that no dimension of the graph is taken for the constant one.
                (torch.zeros(2, *image),),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    except torch.onnx.OnnxExporterError as error:
        while error.__cause__:  # what it says itself is how to report it
            error = error.__cause__
        raise Unavailable(f"torch.onnx cannot export the model: {in_short(error)}") from error
    proto = program.model_proto
    graph = proto.graph
    found = linear_layers(module, graph)
    # The exporter notes the source lines of every part, with their paths on this machine.
    for part in (proto, graph, *graph.node, *graph.initializer, *graph.value_info):
        part.ClearField("metadata_props")
    drop_shapes_of_weights(graph)
    return proto, found


@contextmanager
def _attention_of_four_dimensions() -> Iterator[None]:
    """Meanwhile attention is called with one leading dimension before the heads: the exporter takes
    no more, and Hiera has images and windows there."""
    import torch

    functional = torch.nn.functional
    plain = functional.scaled_dot_product_attention

    def attention(query: Any, key: Any, value: Any, *more: Any, **options: Any) -> Any:
        if query.dim() <= 4 or more or options.get("attn_mask") is not None:
            return plain(query, key, value, *more, **options)
        flat = (each.flatten(0, -4) for each in (query, key, value))
        return plain(*flat, **options).unflatten(0, query.shape[:-3])

    functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = plain


def linear_layers(module: Any, graph: Any) -> dict[str, str]:
    """The name of the linear layer that a product of an exported graph is of, by its node's name.

    The exporter notes the modules that a node was called in. Where the network reads the weight of
    a layer itself, the layer is not among them: then it is the one with that weight.
    """
    import torch
    from onnx.numpy_helper import to_array

    linears = {n: each for n, each in module.named_modules() if isinstance(each, torch.nn.Linear)}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, str] = {}
    fixed = fixed_products(graph)
    for node in graph.node:
        if node.op_type not in PRODUCTS or node.input[1] not in constants or node.name in fixed:
            continue
        notes = {note.key: note.value for note in node.metadata_props}
        scopes = ast.literal_eval(notes.get(SCOPES, "[]"))
        names = [name for name in scopes if name in linears]
        if not names:
            weight = torch.from_numpy(to_array(constants[node.input[1]]).copy())
            either = (weight, weight.T)
            names = [n for n, x in linears.items() if any(torch.equal(w, x.weight) for w in either)]
        if names:
            found[node.name] = names[-1]
    return found


def fixed_products(graph: Any) -> set[str]:
    """The names of the products that are the same for all images: a session computes them once,
    when it is made, in float."""
    other, found = {each.name for each in graph.input}, set[str]()
    for node in graph.node:
        # How many images there are says nothing of them.
        if node.op_type not in ("Shape", "Size") and not other.isdisjoint(node.input):
            other.update(node.output)
        elif node.op_type in PRODUCTS:
            found.add(node.name)
    return found


def drop_shapes_of_weights(graph: Any) -> None:
    """Remove the shapes that a graph repeats for its weights, which have shapes of their own.

    torch's exporter writes them. The quantizer of onnxruntime 1.30 transposes the weight of a Gemm
    and leaves its repeated shape, which onnx refuses: "Inferred shape and existing shape differ".
    """
    weights = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.value_info if value.name not in weights]
    graph.ClearField("value_info")
    graph.value_info.extend(kept)


def quantize(
    plain: Path, path: Path, calibration: NDArray[np.float32] | None, left: Collection[str] = ()
) -> None:
    """Write the int8 form of a graph: static where there are calibration images, else dynamic. The
    nodes of these names are `left` in float.

    Raises RuntimeError unless what the CPU executes has integers in every linear layer.
    """
    import onnx
    from onnxruntime import quantization as ort

    graph = onnx.load(plain).graph
    constants = {tensor.name for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type in PRODUCTS]
    fixed = fixed_products(graph)
    others = [  # attention's own, and those of no image
        each.name for each in products if each.input[1] not in constants or each.name in fixed
    ]
    common: dict[str, Any] = {
        "op_types_to_quantize": list(PRODUCTS),
        # A Gemm becomes a MatMul of another name before the names are looked up.
        "nodes_to_exclude": [*others, *left, *(f"{name}_MatMul" for name in left)],
        "per_channel": True,
        "reduce_range": True,
        "weight_type": ort.QuantType.QInt8,
    }
    if calibration is None:
        ort.quantize_dynamic(plain, path, **common)
    else:
        ort.quantize_static(
            plain,
            path,
            _reader(calibration),
            quant_format=ort.QuantFormat.QDQ,
            activation_type=ort.QuantType.QUInt8,
            calibrate_method=ort.CalibrationMethod.MinMax,
            # Outputs go into float32 arithmetic: rounding them would only add error.
            extra_options={"OpTypesToExcludeOutputQuantization": list(PRODUCTS)},
            **common,
        )
    executed = _executed(path)
    found = sum(executed.count(name) for name in INTEGER_PRODUCTS)
    wanted = len(products) - len(others) - len(left)
    if found != wanted or not wanted:
        raise RuntimeError(f"onnxruntime executes {found} of {wanted} linear layers in int8")


def _reader(images: NDArray[np.float32]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    # A batch has each image's values at once: at 518 pixels eight of them took 16 GB. The least
    # and the greatest value of all images are the same, however many are taken at a time.
    starts = iter(range(0, len(images), CALIBRATION_BATCH))

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            start = next(starts, None)
            return None if start is None else {INPUT: images[start : start + CALIBRATION_BATCH]}

    return Reader()


def _executed(path: Path) -> list[str]:
    """The operators of a file's graph after all of the CPU's optimisations."""
    import onnx
    import onnxruntime

    with TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(optimised)
        options.log_severity_level = 3  # it warns that the file suits this kind of CPU only
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return [node.op_type for node in onnx.load(optimised).graph.node]
