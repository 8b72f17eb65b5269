"""torch eager: the model's own Python, in fp32, half precision, or with dynamic int8 linears."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.models import Model
from vitbench.runtimes import torch_common
from vitbench.runtimes.base import Deployment, Variant
from vitbench.runtimes.torch_common import state_loading_code as loading_code
from vitbench.runtimes.torch_common import supports, version

__all__ = ["build", "load", "loading_code", "operators", "suffix", "supports", "version"]


def suffix(variant: Variant) -> str:
    return ".pt" if variant.precision == "int8" else ".safetensors"


def build(
    model: Model,
    variant: Variant,
    path: Path,
    calibration: NDArray[np.float32] | None,  # noqa: ARG001 - no recipe here is calibrated
) -> None:
    torch_common.save_state(torch_common.prepared(model.module, variant), variant, path)


def load(
    path: Path, variant: Variant, device: str, architecture: Mapping[str, Any], threads: int
) -> Deployment:
    module = torch_common.load_state(path, variant, architecture).to(device)
    module = module.to(memory_format=torch_common.memory_format(variant))
    call = Graphs(module) if variant.options.get("graph") else module
    return torch_common.deployment(call, variant, device, threads)


operators = torch_common.profiled(load)


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
