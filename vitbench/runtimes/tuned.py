"""TorchScript whose linear layers are ours: `tuned.cpp`, for CPUs with AVX2 and without VNNI.

Nine tenths of a ViT's operations are linear layers, and on such a CPU the stock int8 kernels issue
three vector instructions for 32 products. With 7 bits on either side five serve 64 (tuned.cpp says
why). Weights have a scale per output channel, activations a scale and a zero point per token, taken
in the call; the GELU behind a layer is computed while its result is still in registers. The rest of
the graph stays float32 and is scripted and frozen, as in `scripted`.

The artifact is a `.pt`, and beside it the compiled layer, a `.so` that torch loads as an operator.
"""

import copy
import functools
import hashlib
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import torch_common, torchscript
from vitbench.runtimes.base import Deployment, Variant
from vitbench.runtimes.torch_common import version
from vitbench.runtimes.torchscript import suffix

__all__ = ["build", "load", "loading_code", "operators", "suffix", "supports", "version"]

SOURCE = Path(__file__).with_suffix(".cpp")
# torch keeps an operator for the life of the process: each state of the source has its own name.
NAMESPACE = f"vitbench_{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
COLUMNS, STEP, LARGEST = 16, 8, 63
FLAGS = (
    "-O3", "-std=c++20", "-shared", "-fPIC", "-fopenmp", "-mavx2", "-mfma",
    "-DCPU_CAPABILITY=AVX2", "-DCPU_CAPABILITY_AVX2",
    # Lets minima and maxima be vectors. -ffast-math would change the whole process's arithmetic.
    "-ffinite-math-only", "-fno-signed-zeros", "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip


def supports(variant: Variant, device: str) -> None:
    """As torch and a C++ compiler, and a CPU with AVX2."""
    torch_common.supports(variant, device)
    torch_common.require_compiler()
    _require_avx2(variant)


def _require_avx2(variant: Variant) -> None:
    """Raises Unavailable where the layer's instructions would end the process."""
    import torch

    has = torch.cpu.get_capabilities()
    if platform.system() != "Linux" or not (has.get("avx2") and has.get("fma3")):
        raise Unavailable(f"{variant.name} is made for Linux on x86-64 with AVX2")


def pack(weight: Any) -> tuple[Any, Any, Any]:
    """A weight (n, k) as panels of 16 columns, int8 (panels, 16 k), with their scales and sums.

    n and k are filled up with zeros to multiples of 16 and of 8. Scales and sums, float32 (panels *
    16,), are those of the int8 values of an output channel.
    """
    import torch

    n, k = weight.shape
    whole = torch.zeros(-(-n // COLUMNS) * COLUMNS, -(-k // STEP) * STEP)
    whole[:n, :k] = weight
    scales = whole.abs().amax(1).clamp_min(1e-30) / LARGEST
    values = (whole / scales[:, None]).round()
    panels = values.to(torch.int8).view(-1, 2, 8, whole.shape[1] // STEP, 2, 4)
    packed = panels.permute(0, 3, 4, 1, 2, 5).reshape(len(panels), -1)
    return packed.contiguous(), scales, values.sum(1)


@functools.cache
def _layer() -> Any:
    """The class of our layer, which torch.jit can script."""
    import torch

    linear = getattr(torch.ops, NAMESPACE).linear

    class Linear(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, layer: torch.nn.Linear) -> None:
            super().__init__()
            weight, scales, sums = pack(layer.weight.detach())
            bias = torch.zeros(len(scales))
            if layer.bias is not None:
                bias[: layer.out_features] = layer.bias.detach()
            self.register_buffer("weight", weight)
            self.register_buffer("scales", scales)
            self.register_buffer("sums", sums)
            self.register_buffer("bias", bias)
            self.n: int = layer.out_features
            self.gelu: bool = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return linear(x, self.weight, self.scales, self.sums, self.bias, self.n, self.gelu)

    return Linear


def tuned(module: Any) -> Any:
    """A copy of a module whose linear layers are ours. The operator must be there (`_register`)."""
    import torch

    module = copy.deepcopy(module)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.Linear):
                setattr(parent, name, _layer()(child))
        act, before = getattr(parent, "act", None), getattr(parent, "fc1", None)  # timm's Mlp
        exact = isinstance(act, torch.nn.GELU) and act.approximate == "none"
        if exact and isinstance(before, _layer()):
            before.gelu, parent.act = True, torch.nn.Identity()
    return module


def _compile(path: Path) -> None:
    """The shared library of `tuned.cpp`. Raises RuntimeError with what the compiler said."""
    import torch
    from torch._inductor.cpp_builder import get_cpp_compiler

    home = Path(torch.__file__).parent
    command = [
        get_cpp_compiler(), *FLAGS, f"-DVITBENCH_NAMESPACE={NAMESPACE}",
        f"-I{home / 'include'}", str(SOURCE), "-o", str(path),
        f"-L{home / 'lib'}", "-ltorch_cpu", "-lc10",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{SOURCE.name} does not compile: {done.stderr[-2000:]}")


def _register(library: Path) -> None:
    """Load the operator, unless this process has it from another artifact of the same source."""
    import torch

    if not hasattr(getattr(torch.ops, NAMESPACE), "linear"):
        torch.ops.load_library(str(library))


def build(
    model: Model,
    variant: Variant,
    path: Path,
    calibration: NDArray[np.float32] | None,  # noqa: ARG001 - scales are taken in the call
) -> None:
    library = path.with_suffix(".so")
    _compile(library)
    _register(library)
    torchscript.build(replace(model, module=tuned(model.module)), variant, path, None)


def load(
    path: Path, variant: Variant, device: str, architecture: Mapping[str, Any], threads: int
) -> Deployment:
    _require_avx2(variant)
    _register(path.with_suffix(".so"))
    return torchscript.load(path, variant, device, architecture, threads)


operators = torch_common.profiled(load)


def loading_code(variant: Variant, architecture: Mapping[str, Any], file: str) -> str:
    library = str(Path(file).with_suffix(".so"))
    first, *rest = torchscript.loading_code(variant, architecture, file).splitlines()
    return "\n".join([first, f"torch.ops.load_library({library!r})", *rest])
