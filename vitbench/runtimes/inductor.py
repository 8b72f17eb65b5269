"""torch.compile with Inductor. The artifact is the weights; the graph is compiled when loaded.

One graph is compiled for each batch size. Where compiling gives up, torch falls back to eager in
silence: here that is an error (`fullgraph`, `fail_on_recompile_limit_hit`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import (
    eager,
    torch_common,
    torch_counts,
    torch_profile,
    torch_state,
    torchao_layers,
)
from vitbench.runtimes.base import Deployment, Placement, Variant
from vitbench.runtimes.eager import suffix as suffix
from vitbench.runtimes.linear_layers import FLOAT_LAYERS, layer_record
from vitbench.runtimes.torch_common import calling_code as calling_code
from vitbench.runtimes.torch_common import version as version

# torch counts recompilations per code object, which every model of one class shares: several
# models times several batches are still what was asked for.
RECOMPILE_LIMIT = 64
FP8_CAPABILITY = (8, 9)  # of CUDA devices: Ada, Hopper and later


def supports(variant: Variant, device: str) -> None:
    """As torch; and a C++ compiler on the CPU, Triton and a C compiler on CUDA."""
    torch_common.supports(variant, device)
    if device == "cpu":
        torch_common.require_compiler()
    elif find_spec("triton") is None:
        raise Unavailable("torch.compile on CUDA needs triton, which is not installed")
    elif not any(shutil.which(name) for name in (os.environ.get("CC", "cc"), "gcc", "clang")):
        raise Unavailable("torch.compile on CUDA needs a C compiler, and found none")
    if variant.precision == "fp8":
        import torch

        if (has := torch.cuda.get_device_capability(device)) < FP8_CAPABILITY:
            raise Unavailable(
                f"{variant.name} needs a GPU of compute capability 8.9 or later, which multiplies "
                f"fp8; this one has {has[0]}.{has[1]}"
            )


def build(
    model: Model, variant: Variant, path: Path, images: NDArray[np.float32] | None
) -> dict[str, Any]:
    layers = eager.build(model, variant, path, images)
    if "quantization" not in variant.options:
        return layers
    return layer_record(model.module, torchao_layers.able(model.module), variant)


def quantize(module: Any, variant: Variant) -> None:
    """torchao's int8 or fp8 linear layers in place: a scale per token and per output channel."""
    from torchao import quantization as torchao

    if variant.precision == "int8":
        config = torchao.Int8DynamicActivationInt8WeightConfig(set_inductor_config=False)
    else:
        config = torchao.Float8DynamicActivationFloat8WeightConfig(
            granularity=torchao.PerRow(), set_inductor_config=False
        )
    torchao_layers.quantize(module, config, variant)


def load(placement: Placement) -> Deployment:
    import torch
    import torch._inductor.config

    variant = placement.variant
    module = torch_state.load_state(placement).to(placement.device)
    if variant.options.get("quantization") == "torchao":
        quantize(module, variant)
    mode = variant.options.get("mode")
    # Generated loops are cut for a number of threads. Without this, Inductor's cache on disk would
    # serve those that were cut for another number.
    options = {"cpp.threads": placement.threads} if placement.device == "cpu" else None
    compiled = torch.compile(module, dynamic=False, fullgraph=True, mode=mode, options=options)
    plain = torch_common.deployment(compiled, placement)

    @contextmanager
    def active() -> Iterator[None]:
        strict = torch._dynamo.config.patch(
            fail_on_recompile_limit_hit=True, recompile_limit=RECOMPILE_LIMIT
        )
        # A mode is chosen for its CUDA graphs: Inductor would leave them out with a warning.
        graphs = torch._inductor.config.patch({"triton.cudagraph_or_error": mode is not None})
        with strict, graphs, plain.active():
            yield

    return replace(plain, active=active)


operators = torch_profile.profiled(load)
structure = torch_counts.counted(load)


def loading_code(placement: Placement) -> str:
    variant, code = placement.variant, torch_state.loading_code(placement)
    if variant.options.get("quantization") == "torchao":
        code += "\n" + quantizing_code(variant, "model.cuda()")
    mode = variant.options.get("mode")
    return code + f"\nmodel = torch.compile(model, dynamic=False, fullgraph=True, mode={mode!r})"


def quantizing_code(variant: Variant, module: str = "model") -> str:
    """Python that makes the linear layers of a module torchao's, as `quantize` does."""
    config = {
        "int8": "Int8DynamicActivationInt8WeightConfig()",
        "fp8": "Float8DynamicActivationFloat8WeightConfig(granularity=torchao.PerRow())",
    }[variant.precision]
    code, wanted = "from torchao import quantization as torchao", ""
    if globs := variant.options.get(FLOAT_LAYERS):
        code += f"\nfrom fnmatch import fnmatchcase\nglobs = {list(globs)}"
        wanted = (
            ", lambda layer, name: isinstance(layer, torch.nn.Linear)"
            " and not any(fnmatchcase(name, glob) for glob in globs)"
        )
    return code + f"\ntorchao.quantize_({module}, torchao.{config}{wanted})"
