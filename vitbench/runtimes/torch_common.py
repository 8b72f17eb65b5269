"""What the runtimes of torch share: the process-wide state, staging and reading."""

import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.runtimes.base import Deployment, Placement, Variant

_DTYPES = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}


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
    """What every recipe of torch needs: the kind of device, and the quantized engine."""
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


def require_compiler() -> None:
    """Raises Unavailable where Inductor finds no C++ compiler, which its CPU code goes through."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise Unavailable("torch.compile needs a C++ compiler, and found none") from error


def float_type(variant: Variant) -> str:
    """torch's name of the type of all that a recipe leaves in floating point."""
    return _DTYPES.get(variant.options.get("rest", variant.precision), "float32")


def capabilities() -> list[str]:
    """What this CPU can do beyond its architecture's common part, by torch's names."""
    import torch

    return sorted(name for name, has in torch.cpu.get_capabilities().items() if has is True)


def require_capabilities(needed: Iterable[str], path: Path) -> None:
    """Raises Unavailable where this CPU lacks instructions that a file was compiled to."""
    if missing := sorted({*needed} - {*capabilities()}):
        raise Unavailable(
            f"{path.name} was compiled for a CPU with {', '.join(missing)}: build it on this one"
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
def float32_products(how: str) -> Iterator[None]:
    """`ieee` or `tf32` for float32 matrix products and convolutions on CUDA, then as before.

    By default torch convolves in TF32 there, which a float32 reference must not.
    """
    import torch

    holders = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [holder.fp32_precision for holder in holders]
    for holder in holders:
        holder.fp32_precision = how
    try:
        yield
    finally:
        for holder, value in zip(holders, before, strict=True):
            holder.fp32_precision = value


@contextmanager
def inference(variant: Variant, device: str = "cpu") -> Iterator[None]:
    """No autograd, and the process-wide state of the deployment that is about to be called."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with ExitStack() as stack:
        stack.enter_context(quantized_engine(engine(variant)))
        if device != "cpu":
            how = "tf32" if variant.precision == "tf32" else "ieee"
            stack.enter_context(float32_products(how))
        if attention := variant.options.get("attention"):
            stack.enter_context(sdpa_kernel(getattr(SDPBackend, attention)))
        stack.enter_context(torch.inference_mode())
        yield


def calling_code(variant: Variant, images: str) -> list[str]:
    """Of a `model` that takes and returns a torch tensor."""
    tensor = f"torch.from_numpy({images}).to(torch.{float_type(variant)})"
    return [
        "import torch",
        "with torch.inference_mode():",
        f"    logits = model({tensor}).float().numpy()",
    ]


def graph_deployment(read: Callable[[], Any], placement: Placement) -> Deployment:
    """A Deployment of a graph that `read` reads, with the engine set for which it packs weights."""
    with quantized_engine(engine(placement.variant)):
        module = read()
    return deployment(module, placement)


def memory_format(variant: Variant) -> Any:
    """torch's memory format of a recipe: channels last where it says so."""
    import torch

    return getattr(torch, variant.options.get("memory_format", "contiguous_format"))


def deployment(call: Any, placement: Placement) -> Deployment:
    """A Deployment around anything that takes a torch tensor of images to one of logits.

    Sets torch's number of threads, which is the process's and the same for every deployment.
    """
    import torch

    torch.set_num_threads(placement.threads)
    variant, device = placement.variant, placement.device
    dtype = getattr(torch, float_type(variant))
    layout = memory_format(variant)

    def stage(images: NDArray[np.float32]) -> Any:
        # As in `active`: Inductor compiles again for what was made outside of it.
        with torch.inference_mode():
            return torch.from_numpy(images).to(device, dtype, memory_format=layout)

    def read(output: Any) -> NDArray[np.float32]:
        return np.array(output.detach().to("cpu", torch.float32).numpy())

    plain = Deployment(stage, call, read, active=lambda: inference(variant, device))
    if device == "cpu":
        return plain

    def device_seconds(staged: Any) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.device(device):
            start.record()
            call(staged)
            end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e-3

    return replace(
        plain,
        synchronize=lambda: torch.cuda.synchronize(device),
        device_seconds=device_seconds,
    )
