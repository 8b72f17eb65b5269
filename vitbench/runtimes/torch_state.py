"""A module in a recipe's precision, and its state dict as an artifact: of eager and Inductor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.models import creation_code, skeleton
from vitbench.runtimes import torch_common
from vitbench.runtimes.base import Variant


def quantize(module: Any, variant: Variant) -> Any:
    """Dynamic int8 on every linear layer: weights int8, activations int8 with one scale a call."""
    import torch

    with torch_common.quantized_engine(torch_common.engine(variant)):
        return torch.ao.quantization.quantize_dynamic(
            module, {torch.nn.Linear}, dtype=torch.qint8, inplace=False
        )


def prepared(module: Any, variant: Variant) -> Any:
    """The module in the recipe's precision: quantized for its engine, cast, or as it is."""
    import torch

    if torch_common.engine(variant):
        return quantize(module, variant)
    return module.to(getattr(torch, torch_common.float_type(variant)))


def save_state(module: Any, variant: Variant, path: Path) -> None:
    """The state dict as data: safetensors, or for packed int8 weights torch's own format."""
    import torch
    from safetensors.torch import save_file

    if torch_common.engine(variant):
        torch.save(module.state_dict(), path)
    else:
        save_file({name: t.contiguous() for name, t in module.state_dict().items()}, path)


def load_state(path: Path, variant: Variant, architecture: Mapping[str, Any]) -> Any:
    """The module of a state dict that `save_state` wrote, on the CPU."""
    import torch
    from safetensors.torch import load_file

    module = prepared(skeleton(architecture), variant)
    if torch_common.engine(variant):
        state = torch.load(path, map_location="cpu", weights_only=True)
    else:
        state = load_file(path)
    # Loading packs the int8 weights again, for whichever engine is set at that moment.
    with torch_common.quantized_engine(torch_common.engine(variant)):
        module.load_state_dict(state)
    return module.eval()


def state_loading_code(variant: Variant, architecture: Mapping[str, Any], file: str) -> str:
    """Python that loads a state dict without vitbench."""
    lines = ["import torch", creation_code(architecture), "model.eval()"]
    if torch_common.engine(variant):
        lines += [
            f"torch.backends.quantized.engine = {torch_common.engine(variant)!r}",
            "model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)",
            f"model.load_state_dict(torch.load({file!r}, weights_only=True))",
        ]
    else:
        dtype = torch_common.float_type(variant)
        lines += [
            "from safetensors.torch import load_file",
            f"model = model.to(torch.{dtype})  # and give it images.to(torch.{dtype})",
            f"model.load_state_dict(load_file({file!r}))",
        ]
    return "\n".join(lines)
