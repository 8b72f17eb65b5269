"""torch eager: the model's own Python, in fp32, half precision, or with dynamic int8 linears."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.models import Model
from vitbench.runtimes import torch_common, torch_counts, torch_profile, torch_state
from vitbench.runtimes.base import Deployment, Placement, Variant
from vitbench.runtimes.torch_common import calling_code as calling_code
from vitbench.runtimes.torch_common import supports as supports
from vitbench.runtimes.torch_common import version as version
from vitbench.runtimes.torch_state import loading_code as loading_code
from vitbench.runtimes.torch_state import suits as suits


def suffix(variant: Variant) -> str:
    return ".pt" if torch_common.engine(variant) or variant.transform else ".safetensors"


def build(
    model: Model,
    variant: Variant,
    path: Path,
    _: NDArray[np.float32] | None,
) -> dict[str, Any]:
    module, layers = torch_state.prepared(model, variant)
    torch_state.save_state(module, variant, path)
    return layers


def load(placement: Placement) -> Deployment:
    variant = placement.variant
    module = torch_state.load_state(placement).to(placement.device)
    module = module.to(memory_format=torch_common.memory_format(variant))
    call = Graphs(module) if variant.options.get("graph") else module
    made = torch_common.deployment(call, placement)
    pinned = variant.options.get("attention", "MATH")
    if pinned != "MATH":  # which is no kernel, but operators
        require_attention(made, pinned, placement.image)
    return made


def require_attention(deployment: Deployment, kernel: str, image: tuple[int, ...]) -> None:
    """Raises RuntimeError where attention does not run in the kernel that it is pinned to."""
    one = np.zeros((1, *image), np.float32)
    found = torch_profile.operators(deployment, "cpu", one, calls=1)
    ran = {each.name.removesuffix("_for_cpu") for each in found}
    if f"aten::_scaled_dot_product_{kernel.lower()}" not in ran:
        raise RuntimeError(
            f"attention did not run in {kernel}: the model multiplies its scores itself "
            "(timm's fused_attn is off), or torch chose another kernel"
        )


operators = torch_profile.profiled(load)
structure = torch_counts.counted(load)


class Graphs:
    """A module whose kernels are captured in a CUDA graph for each batch size, and replayed.

    The output's memory is the graph's: the next replay overwrites it.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._captured: dict[int, tuple[Any, Any, Any]] = {}

    def __call__(self, images: Any) -> Any:
        if len(images) not in self._captured:
            self._captured[len(images)] = self._capture(images)
        graph, static, output = self._captured[len(images)]
        static.copy_(images)
        graph.replay()
        return output

    def _capture(self, images: Any) -> tuple[Any, Any, Any]:
        """The graph, and the memory of its input and of its output."""
        import torch

        static = images.clone()
        stream = torch.cuda.Stream(images.device)
        stream.wait_stream(torch.cuda.current_stream(images.device))
        with torch.cuda.stream(stream):  # libraries choose and allocate before the capture
            for _ in range(3):
                self._module(static)
        torch.cuda.current_stream(images.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = self._module(static)
        return graph, static, output
