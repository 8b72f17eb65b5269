"""zentorch, AMD's plug-in for torch: a backend of torch.compile, which compiles what is loaded.

The backend is a pass over Inductor's graph, which puts ZenDNN's operators in the place of linear
layers, with the GELU or the residual after them, and of attention. Weights are constants of the
graph (`freezing`, as AMD's own settings have it), and so are packed once.

int8, by the option `quantization`:

- `zentorch`: AMD's operator for int8 linear layers, weights with a scale per output channel,
  activations with one per token, found in the call. The artifact has the int8 weights.
- `torchao`: torchao's int8 layers, of the same arithmetic. This backend leaves their products to
  torch's oneDNN, and the artifact has the float weights.

zentorch changes settings of the process that imports it, and of Inductor whenever it compiles.
Other variants are compiled and timed in the same process, so all of that is undone.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import (
    inductor,
    onednn,
    torch_common,
    torch_counts,
    torch_profile,
    torch_state,
    zentorch_layers,
)
from vitbench.runtimes.base import Deployment, Placement, Variant
from vitbench.runtimes.linear_layers import require_some
from vitbench.runtimes.network import Network
from vitbench.runtimes.torch_common import calling_code as calling_code

# By torch's names. Without the first, the backend leaves the graph as it is, with a warning.
NEEDS = {"avx512_f": "AVX-512", "avx512_bf16": "AVX512-BF16", "avx512_vnni": "AVX512-VNNI"}


def version() -> str:
    """zentorch's version. Raises Unavailable where it cannot be imported."""
    try:
        return f"zentorch {_imported().__version__}"
    except (ImportError, OSError, RuntimeError) as error:
        raise Unavailable(f"zentorch cannot be imported: {error}") from error


@cache
def _imported() -> Any:
    """The package, whose import leaves the settings of the process as they were: it sets how
    Inductor's ahead-of-time code calls its embedding layers, and where log messages go."""
    import torch._inductor.config

    settings = torch._inductor.config
    handlers = [*logging.root.handlers]
    before = {
        "aot_inductor.custom_ops_to_c_shims": dict(settings.aot_inductor.custom_ops_to_c_shims),
        "_cache_config_ignore_prefix": [*settings._cache_config_ignore_prefix],
    }
    try:
        with settings.patch(before):
            import zentorch
    finally:
        logging.root.handlers[:] = handlers
    return zentorch


def supports(variant: Variant, device: str) -> None:
    """As torch and Inductor, on a CPU with AVX-512, and for bfloat16 and int8 the instructions of
    these: else the backend computes otherwise, or not at all."""
    torch_common.supports(variant, device)
    torch_common.require_compiler()
    has = {*torch_common.capabilities()}
    int8, half = variant.precision == "int8", torch_common.float_type(variant) == "bfloat16"
    needed = ["avx512_f", *(["avx512_bf16"] * half), *(["avx512_vnni"] * int8)]
    if lacking := [NEEDS[name] for name in needed if name not in has]:
        raise Unavailable(f"{variant.name} needs a CPU with {' and '.join(lacking)}")
    if variant.options.get("quantization") == "torchao":
        onednn.require_signed_int8_kernel()


def suits(network: Network, variant: Variant) -> None:
    """Raises Unavailable where a recipe of int8 finds no layer to replace."""
    if variant.options.get("quantization") == "zentorch":
        require_some(network.linear, network.read)


def suffix(variant: Variant) -> str:
    return inductor.suffix(variant)


def build(
    model: Model, variant: Variant, path: Path, images: NDArray[np.float32] | None
) -> dict[str, Any]:
    if not _own_int8(variant):
        return inductor.build(model, variant, path, images)
    _imported()  # the layers are called once
    module, layers = zentorch_layers.quantized_module(model, variant)
    torch_state.save_state(module, variant, path)
    return layers


def _own_int8(variant: Variant) -> bool:
    """Whether the artifact has int8 layers of zentorch's: what a transform made has its own."""
    return variant.options.get("quantization") == "zentorch" and not variant.transform


def load(placement: Placement) -> Deployment:
    import torch
    import torch._inductor.config

    _imported()
    variant = placement.variant
    if _own_int8(variant):
        module = zentorch_layers.load(placement)
    else:
        module = torch_state.load_state(placement)
        if variant.options.get("quantization") == "torchao" and not variant.transform:
            inductor.quantize(module, variant)
    compiled = torch.compile(module, backend="zentorch", dynamic=False, fullgraph=True)
    plain = torch_common.deployment(compiled, placement)
    settings = {
        "freezing": True,
        "cpp.threads": placement.threads,  # as in `inductor.load`
        # The backend sets it when it compiles, and it is Inductor's, whatever compiles next.
        "joint_custom_post_pass": None,
    }

    @contextmanager
    def active() -> Iterator[None]:
        strict = torch._dynamo.config.patch(
            fail_on_recompile_limit_hit=True, recompile_limit=inductor.RECOMPILE_LIMIT
        )
        with strict, torch._inductor.config.patch(settings), plain.active():
            yield

    return replace(plain, active=active)


operators = torch_profile.profiled(load)
structure = torch_counts.counted(load)


def loading_code(placement: Placement) -> str:
    variant = placement.variant
    code = torch_state.loading_code(placement)
    if _own_int8(variant):
        code = zentorch_layers.loading_code(placement)
    elif variant.options.get("quantization") == "torchao" and not variant.transform:
        code += "\n" + inductor.quantizing_code(variant)
    return "\n".join(
        [
            code,
            "import torch._inductor.config, zentorch",
            "torch._inductor.config.freezing = True",
            'model = torch.compile(model, backend="zentorch", dynamic=False, fullgraph=True)',
        ]
    )
