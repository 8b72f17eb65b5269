"""torchao's linear layers in a module: of Inductor and AOTInductor."""

from typing import Any

from vitbench.runtimes.base import Variant
from vitbench.runtimes.linear_layers import linear_names, quantized


def able(module: Any) -> list[str]:
    """The names of the linear layers that torchao replaces: not the last one of torch's
    MultiheadAttention, whose weight that reads itself."""
    import torch

    kept = torch.nn.modules.linear.NonDynamicallyQuantizableLinear
    return [name for name in linear_names(module) if type(module.get_submodule(name)) is not kept]


def quantize(module: Any, config: Any, variant: Variant) -> None:
    """Quantize in place those layers that the recipe does not leave in float."""
    import torch
    from torchao.quantization import quantize_

    names = {*quantized(able(module), variant)}

    def wanted(layer: Any, name: str) -> bool:
        # A weight that two layers share is quantized once.
        return name in names and type(layer.weight) is torch.nn.Parameter

    quantize_(module, config, filter_fn=wanted)
