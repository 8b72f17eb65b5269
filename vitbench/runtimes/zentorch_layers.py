"""Linear layers that are calls of zentorch's int8 operator.

Weights are int8 with a scale per output channel, symmetric; the operator finds a scale for each
token in the call (as the page zentorch_dynamic_qlinear of amd/ZenDNN-pytorch-plugin says).

ZenDNN packs a weight in its first call, and knows it again by its address: another weight that
later lies there is multiplied as the first one. So the weights of our layers are never freed.
"""

import copy
from collections.abc import Collection
from functools import cache
from typing import Any

from vitbench.models import Model, creation_code, skeleton
from vitbench.runtimes import torch_common
from vitbench.runtimes.base import Placement, Variant
from vitbench.runtimes.linear_layers import (
    layer_record,
    quantized,
    replaceable_anew,
    require_call,
)

# What tells a layer of ours in a state dict: its scales, by the layer's name.
SCALES = ".int8_scales"
_kept: list[Any] = []


@cache
def _linear() -> Any:
    """The class of the layers, made of a linear layer of torch's."""
    import torch

    class Linear(torch.nn.Module):  # type: ignore[misc]
        """Takes (..., in_features), float32 or bfloat16, to (..., out_features) of that type."""

        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.in_features, self.out_features = layer.in_features, layer.out_features
            weight = layer.weight.detach().float()
            scales = weight.abs().amax(1).clamp_min(1e-30) / 127
            self.register_buffer("weight", (weight / scales[:, None]).round().to(torch.int8))
            self.register_buffer("int8_scales", scales)
            bias = None if layer.bias is None else layer.bias.detach().float()
            self.register_buffer("bias", bias)
            _kept.append(self.weight)

        def __deepcopy__(self, _: Any) -> Any:
            return self  # it never changes, and a copy's weight would have another address

        def forward(self, x: Any) -> Any:
            return torch.ops.zentorch.zentorch_dynamic_qlinear(
                x, self.weight, self.int8_scales, self.bias
            )

    return Linear


def quantized_module(model: Model, variant: Variant) -> tuple[Any, dict[str, Any]]:
    """A copy of the model's module in the recipe's precision, and the `layer_record`.

    Raises as `replaceable` and `quantized` where no layer is to be quantized, and as
    `require_call`. zentorch must be imported.
    """
    names = replaceable_anew(model)
    int8, module = quantized(names, variant), copy.deepcopy(model.module)
    made = {name: _linear()(module.get_submodule(name)) for name in int8}  # of float32 weights
    module = module.to(_dtype(variant))
    for name, layer in made.items():
        module.set_submodule(name, layer)
    require_call(module, model.architecture["image"])
    return module, layer_record(model.module, names, variant)


def load(placement: Placement) -> Any:
    """The module of a state dict that was saved of `quantized_module`, on the CPU."""
    from safetensors.torch import load_file

    state = load_file(placement.path)
    module = skeleton(placement.architecture).to(_dtype(placement.variant))
    for name in _int8_names(state):
        module.set_submodule(name, _linear()(module.get_submodule(name)))
    module.load_state_dict(state)
    return module.eval()


def _int8_names(state: Collection[str]) -> list[str]:
    return [name.removesuffix(SCALES) for name in state if name.endswith(SCALES)]


def _dtype(variant: Variant) -> Any:
    import torch

    return getattr(torch, torch_common.float_type(variant))


def loading_code(placement: Placement) -> str:
    """Python that makes the module of such a state dict without vitbench."""
    dtype = torch_common.float_type(placement.variant)
    return "\n".join(
        [
            "import torch",
            creation_code(placement.architecture),
            "from safetensors.torch import load_file",
            f"model, state = model.eval().to(torch.{dtype}), load_file({str(placement.path)!r})",
            f"for name in [key[: -len({SCALES!r})] for key in state if key.endswith({SCALES!r})]:",
            "    layer = model.get_submodule(name)",
            f"    names = (name + '.weight', name + {SCALES!r}, name + '.bias')",
            "    more = [state.pop(each, None) for each in names]",
            "    call = torch.ops.zentorch.zentorch_dynamic_qlinear",
            "    layer.forward = lambda x, call=call, more=more: call(x, *more)",
            "model.load_state_dict(state, strict=False)",
        ]
    )
