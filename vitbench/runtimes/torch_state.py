"""A module in a recipe's precision, and its state dict as an artifact: of eager and Inductor.
What a transform of the user's made is saved whole (`torch_whole`)."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vitbench.models import Model, creation_code, skeleton
from vitbench.runtimes import torch_common, torch_whole
from vitbench.runtimes.base import Placement, Variant
from vitbench.runtimes.linear_layers import (
    layer_record,
    quantized,
    replaceable_anew,
    require_call,
    require_some,
)
from vitbench.runtimes.network import Network

# What torch keeps of a quantized linear layer: its packed weight, by the layer's name.
PACKED = "._packed_params._packed_params"


def quantize(module: Any, names: Collection[str], variant: Variant) -> Any:
    """A copy with dynamic int8 in the linear layers of these names: weights int8, activations int8
    with one scale a call."""
    import torch

    config = torch.ao.quantization.default_dynamic_qconfig
    with torch_common.quantized_engine(torch_common.engine(variant)):
        return torch.ao.quantization.quantize_dynamic(
            module, dict.fromkeys(names, config), dtype=torch.qint8, inplace=False
        )


def suits(network: Network, variant: Variant) -> None:
    """Raises Unavailable where a recipe of int8 finds no layer to quantize."""
    if torch_common.engine(variant):
        require_some(network.linear, network.read)


def prepared(model: Model, variant: Variant) -> tuple[Any, dict[str, Any]]:
    """The module in the recipe's precision: quantized for its engine, cast, or as it is. With it,
    of a quantized one, the `layer_record`.

    Raises as `replaceable` and `quantized` where no layer of the model is to be quantized.
    """
    if not torch_common.engine(variant):
        return _cast(model.module, variant), {}
    image = model.architecture["image"]
    names = replaceable_anew(model)
    module = quantize(model.module, quantized(names, variant), variant)
    with torch_common.inference(variant):
        require_call(module, image)
    return module, layer_record(model.module, names, variant)


def _cast(module: Any, variant: Variant) -> Any:
    import torch

    return module.to(getattr(torch, torch_common.float_type(variant)))


def save_state(module: Any, variant: Variant, path: Path) -> None:
    """The state dict as data: safetensors, or for packed int8 weights torch's own format."""
    import torch
    from safetensors.torch import save_file

    if variant.transform:
        torch_whole.save(module, variant, path)
    elif torch_common.engine(variant):
        torch.save(module.state_dict(), path)
    else:
        save_file(_apart(module.state_dict()), path)


def _apart(state: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of which no two share memory, as safetensors demands; tied layers share theirs."""
    found: dict[str, Any] = {}
    seen = set[int]()
    for name, tensor in state.items():
        place = tensor.untyped_storage().data_ptr()
        found[name] = tensor.contiguous().clone() if place in seen else tensor.contiguous()
        seen.add(place)
    return found


def load_state(placement: Placement) -> Any:
    """The module of a state dict that `save_state` wrote, on the CPU."""
    import torch
    from safetensors.torch import load_file

    variant = placement.variant
    if variant.transform:
        return torch_whole.load(placement)
    module = skeleton(placement.architecture)
    if torch_common.engine(variant):
        state = torch.load(placement.path, map_location="cpu", weights_only=True)
        names = [name.removesuffix(PACKED) for name in state if name.endswith(PACKED)]
        module = quantize(module, names, variant)
    else:
        state = load_file(placement.path)
        module = _cast(module, variant)
    # Loading packs the int8 weights again, for whichever engine is set at that moment.
    with torch_common.quantized_engine(torch_common.engine(variant)):
        module.load_state_dict(state)
    return module.eval()


def loading_code(placement: Placement) -> str:
    """Python that loads a state dict without vitbench."""
    variant, file = placement.variant, str(placement.path)
    if variant.transform:
        return torch_whole.loading_code(placement)
    lines = ["import torch", creation_code(placement.architecture), "model.eval()"]
    if torch_common.engine(variant):
        lines += [
            f"torch.backends.quantized.engine = {torch_common.engine(variant)!r}",
            f"state, packed = torch.load({file!r}, weights_only=True), {PACKED!r}",
            "config = torch.ao.quantization.default_dynamic_qconfig",
            "int8 = {name.removesuffix(packed): config for name in state if packed in name}",
            "model = torch.ao.quantization.quantize_dynamic(model, int8, torch.qint8)",
            "model.load_state_dict(state)",
        ]
    else:
        dtype = torch_common.float_type(variant)
        lines += [
            "from safetensors.torch import load_file",
            f"model = model.to(torch.{dtype})  # and give it images.to(torch.{dtype})",
            f"model.load_state_dict(load_file({file!r}))",
        ]
    return "\n".join(lines)
