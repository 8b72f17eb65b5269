"""ExecuTorch: torch.export, lowered to XNNPACK, in one `.pte` file for ExecuTorch's own runtime.

Attention is written out as batched products and a softmax, and `unbind` as slices: XNNPACK has
these, and so takes every product, convolution, softmax and GELU. LayerNorm and the choice of the
class token stay with ExecuTorch's kernels, in one thread. In the int8 recipe the linear layers
multiply integers, weights with a scale per output channel, activations with one per token, found
in each call; all else stays float32.

The program is of one image and is called once for each image of a batch, as on the devices that
ExecuTorch is made for. With a free batch XNNPACK leaves the reshapes out, memory is planned for
the largest batch from the start, and an image takes longer at every batch size (docs/variants.md).
"""

import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import executorch_counts
from vitbench.runtimes.base import Deployment, Operator, Placement, Variant
from vitbench.runtimes.linear_layers import layer_record, linear_names
from vitbench.runtimes.network import Network
from vitbench.structure import Counters

# What must not be left to ExecuTorch's own kernels, which are made to be small.
PRODUCTS = (
    "aten.linear.",
    "aten.addmm.",
    "aten.bmm.",
    "aten.mm.",
    "aten.convolution.",
    "quantized_decomposed.",
)
NO_KERNEL = ("aten.conv3d.", "aten.conv_transpose3d.")
# XNNPACK keeps a pointer to the one pool of threads that it was loaded with.
_loaded: WeakSet[Any] = WeakSet()


def version() -> str:
    """ExecuTorch's version. Raises Unavailable where its runtime cannot be imported."""
    try:
        import executorch.runtime
        from executorch.version import __version__
    except (ImportError, OSError) as error:
        raise Unavailable(f"executorch cannot be imported: {error}") from error
    if not executorch.runtime.Runtime.get().backend_registry.is_available("XnnpackBackend"):
        raise Unavailable(f"this build of executorch {__version__} has no XNNPACK")
    return f"executorch {__version__}"


def supports(variant: Variant, device: str) -> None:
    if device != "cpu":
        raise Unavailable(f"{variant.name} is made for the CPU, not for {device}")


def suits(network: Network, _: Variant) -> None:
    """Raises Unavailable for operators that XNNPACK has no kernel of, whatever their weights."""
    _require_none([name for name in sorted(network.operators) if name.startswith(NO_KERNEL)])


def _require_none(left: list[str]) -> None:
    """Raises Unavailable where an operator is left to ExecuTorch's own kernels."""
    if left:
        raise Unavailable(
            f"XNNPACK does not take {', '.join(left)} of this model: ExecuTorch's own kernels, "
            "which are made to be small and not fast, would compute that"
        )


def suffix(_: Variant) -> str:
    return ".pte"


def build(
    model: Model,
    variant: Variant,
    path: Path,
    _: NDArray[np.float32] | None,
) -> dict[str, Any] | None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.exir.passes.constant_prop_pass import constant_prop_pass

    _find_flatc()  # which lowering runs
    aten, image = torch.ops.aten, (torch.zeros(1, *model.architecture["image"]),)
    plain = {aten.scaled_dot_product_attention.default: _attention, aten.unbind.int: _unbind}
    record = None
    with torch.no_grad():
        program = torch.export.export(model.module, image).run_decompositions(plain)
        # A bias that the network puts together of parameters (EVA, BEiT) must be a constant.
        program = constant_prop_pass(program)
        if variant.precision == "int8" and not variant.transform:
            graph = program.module()
            layers = {_linear_layer(node) for node in graph.graph.nodes}
            names = [name for name in linear_names(model.module) if name in layers]
            record = layer_record(model.module, names, variant)
            kept = {*names}.difference(record["quantized_names"])
            program = torch.export.export(_quantize(graph, image, kept), image)
        edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    called = [node for node in edge.exported_program().graph.nodes if node.op == "call_function"]
    names = sorted({node.target.__name__ for node in called})
    left = [name for name in names if name.startswith(PRODUCTS)]
    if "executorch_call_delegate" not in names:
        left = ["any operator"]
    _require_none(left)
    with path.open("wb") as file:
        edge.to_executorch().write_to_file(file)
    return record


def load(placement: Placement) -> Deployment:
    return deployment(method(placement))


def method(placement: Placement) -> Any:
    """The program's method, on the placement's threads."""
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    if portable_lib._threadpool_get_thread_count() != placement.threads:
        if _loaded:
            raise RuntimeError("what ExecuTorch has loaded in this process has other threads")
        portable_lib._unsafe_reset_threadpool(placement.threads)
    found = Runtime.get().load_program(placement.path).load_method("forward")
    _loaded.add(found)
    return found


def deployment(
    method: Any,
    make: Callable[[NDArray[np.float32]], NDArray[Any]] = lambda images: images,
    answer: int = 0,
    images_a_call: int = 1,
) -> Deployment:
    """Of a method that takes so many images a call; `make` makes of images what it takes, and
    `answer` is the number of its output."""
    import torch

    def stage(images: NDArray[np.float32]) -> Any:
        return torch.from_numpy(make(images)).split(images_a_call)

    def call(staged: Any) -> Any:
        return [method.execute((part,))[answer] for part in staged]

    def read(output: Any) -> NDArray[np.float32]:
        return np.array(torch.cat(output).float().numpy())

    return Deployment(stage, call, read)


def operators(*_: Any) -> list[Operator]:
    """None: what ExecuTorch can record of a call is compiled out of its released wheels."""
    raise Unavailable("executorch's wheels are built without its event tracer")


def structure(placement: Placement, images: NDArray[np.float32]) -> Counters:
    return counted(placement, len(images))


def counted(placement: Placement, calls: int) -> Counters:
    """By the program, which is executed so many times."""
    _find_flatc()
    return executorch_counts.counted(placement.path, calls)


def _find_flatc() -> None:
    """`flatc` lies beside the interpreter, whether or not the shell knows it."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def loading_code(placement: Placement) -> str:
    return "\n".join(
        [
            "from executorch.runtime import Runtime",
            f"method = Runtime.get().load_program({str(placement.path)!r}).load_method('forward')",
            "model = lambda image: method.execute([image])[0]  # float32, (1, 3, H, W)",
        ]
    )


def calling_code(_: Variant, images: str) -> list[str]:
    """ExecuTorch reads memory as it lies there, whatever the strides of a tensor are."""
    return [
        "import torch",
        f"images = torch.from_numpy({images}).contiguous()",
        "logits = model(images).numpy().copy()  # the next call overwrites its output",
    ]


def _attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Attention of products of three dimensions, which need no `expand`; its arguments are those of
    torch.nn.functional.scaled_dot_product_attention."""
    import torch

    if dropout:
        raise RuntimeError("attention drops weights at random, in eval mode too")
    lead = query.shape[:-2]  # images, heads, and of Hiera windows
    if enable_gqa:
        key, value = (x.repeat_interleave(lead[-1] // x.shape[-3], -3) for x in (key, value))
    if causal:
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    query, key, value = (x.flatten(0, -3) for x in (query, key, value))
    scores = (query * (scale or query.shape[-1] ** -0.5)).bmm(key.transpose(1, 2))
    if mask is not None:
        mask = mask.expand(*lead, *scores.shape[1:]).flatten(0, -3)
        masked = mask.dtype == torch.bool
        scores = scores.masked_fill(~mask, float("-inf")) if masked else scores + mask
    return scores.softmax(-1).bmm(value).unflatten(0, lead)


def _unbind(tensor: Any, dim: int = 0) -> list[Any]:
    """The parts by slices and reshapes: XNNPACK has no `squeeze`."""
    shape = list(tensor.shape)
    parts = shape.pop(dim)
    return [tensor.narrow(dim, part, 1).reshape(shape) for part in range(parts)]


def _linear_layer(node: Any) -> str | None:
    """The name of the layer whose weight a linear node of an exported module multiplies by; None of
    another node."""
    import torch

    if node.target != torch.ops.aten.linear.default:
        return None
    return str(node.args[1].target).removesuffix(".weight")


def _quantize(module: Any, image: tuple[Any], left: Collection[str]) -> Any:
    """Dynamic int8 linear layers, weights by channel; the layers of these names are `left`."""
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    recipe = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
    quantizer = XNNPACKQuantizer().set_operator_type(torch.ops.aten.linear.default, recipe)
    quantizer.set_filter_function(lambda node: _linear_layer(node) not in left)
    prepared = prepare_pt2e(module, quantizer)
    prepared(*image)
    return convert_pt2e(prepared)
