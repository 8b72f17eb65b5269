"""What the runtimes of torch share: the process-wide state, precisions, staging and reading."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import creation_code, skeleton
from vitbench.runtimes.base import Deployment, Variant

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def version() -> str:
    """torch's version. Raises Unavailable where it cannot be imported."""
    try:
        import torch
    except (ImportError, OSError) as error:
        raise Unavailable(f"torch cannot be imported: {error}") from error
    return f"torch {torch.__version__}"


def engine(variant: Variant) -> str | None:
    """The quantized engine of a recipe: a name, or `host` for the best one of this machine."""
    wanted: str | None = variant.options.get("engine")
    if wanted != "host":
        return wanted
    return "qnnpack" if platform.machine().lower() in ("aarch64", "arm64") else "x86"


def supports(variant: Variant, device: str) -> None:
    """What holds for every recipe of torch: the kind of device, and the quantized engine."""
    import torch

    kind = device.split(":")[0]
    if kind not in variant.devices:
        needed = " or ".join("a CUDA device" if d == "cuda" else "the CPU" for d in variant.devices)
        raise Unavailable(f"{variant.name} is made for {needed}, not for {device}")
    name = engine(variant)
    if name and name not in torch.backends.quantized.supported_engines:
        raise Unavailable(
            f"this build of torch has no quantized engine {name!r} "
            f"(it has {', '.join(torch.backends.quantized.supported_engines)})"
        )


@contextmanager
def quantized_engine(name: str | None) -> Iterator[None]:
    """Set the process-wide quantized engine, and restore the one that was set."""
    import torch

    before = torch.backends.quantized.engine
    if name:
        torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


@contextmanager
def inference(name: str | None = None) -> Iterator[None]:
    """No autograd, and the quantized engine of the deployment that is about to be called."""
    import torch

    with quantized_engine(name), torch.inference_mode():
        yield


def quantize(module: Any, variant: Variant) -> Any:
    """Dynamic int8 on every linear layer: weights int8, activations int8 with one scale a call."""
    import torch

    with quantized_engine(engine(variant)):
        return torch.ao.quantization.quantize_dynamic(
            module, {torch.nn.Linear}, dtype=torch.qint8, inplace=False
        )


def prepared(module: Any, variant: Variant) -> Any:
    """The module in the recipe's precision: quantized, cast, or as it is."""
    import torch

    if variant.precision == "int8":
        return quantize(module, variant)
    return module.to(getattr(torch, DTYPES[variant.precision]))


def save_state(module: Any, variant: Variant, path: Path) -> None:
    """The state dict as data: safetensors, or for packed int8 weights torch's own format."""
    import torch
    from safetensors.torch import save_file

    if variant.precision == "int8":
        torch.save(module.state_dict(), path)
    else:
        save_file({name: t.contiguous() for name, t in module.state_dict().items()}, path)


def load_state(path: Path, variant: Variant, architecture: Mapping[str, Any]) -> Any:
    """The module of a state dict that `save_state` wrote, on the CPU."""
    import torch
    from safetensors.torch import load_file

    module = prepared(skeleton(architecture), variant)
    if variant.precision == "int8":
        state = torch.load(path, map_location="cpu", weights_only=True)
    else:
        state = load_file(path)
    # Loading packs the int8 weights again, for whichever engine is set at that moment.
    with quantized_engine(engine(variant)):
        module.load_state_dict(state)
    return module.eval()


def state_loading_code(variant: Variant, architecture: Mapping[str, Any], file: str) -> str:
    """Python that loads a state dict without vitbench."""
    lines = ["import torch", creation_code(architecture), "model.eval()"]
    if variant.precision == "int8":
        lines += [
            f"torch.backends.quantized.engine = {engine(variant)!r}",
            "model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)",
            f"model.load_state_dict(torch.load({file!r}, weights_only=True))",
        ]
    else:
        dtype = DTYPES[variant.precision]
        lines += [
            "from safetensors.torch import load_file",
            f"model = model.to(torch.{dtype})  # and give it images.to(torch.{dtype})",
            f"model.load_state_dict(load_file({file!r}))",
        ]
    return "\n".join(lines)


def deployment(call: Any, variant: Variant, device: str) -> Deployment:
    """A Deployment around anything that takes a torch tensor of images to one of logits."""
    import torch

    dtype = getattr(torch, DTYPES.get(variant.precision, "float32"))

    def stage(images: NDArray[np.float32]) -> Any:
        return torch.from_numpy(np.ascontiguousarray(images)).to(device, dtype)

    def read(output: Any) -> NDArray[np.float32]:
        return np.array(output.detach().to("cpu", torch.float32).numpy())

    name = engine(variant)
    if device.startswith("cuda"):
        return Deployment(
            stage, call, read, lambda: torch.cuda.synchronize(device), lambda: inference(name)
        )
    return Deployment(stage, call, read, active=lambda: inference(name))
