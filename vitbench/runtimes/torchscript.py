"""TorchScript: scripted where the model allows it, traced where not, frozen, saved and loaded.

Freezing turns weights into constants and removes what inference does not need.
`optimize_for_mobile` then rewrites the graph for XNNPACK.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import torch_common, torch_state
from vitbench.runtimes.base import Deployment, Variant
from vitbench.runtimes.torch_common import version

__all__ = ["build", "graph", "load", "loading_code", "operators", "suffix", "supports", "version"]


def supports(variant: Variant, device: str) -> None:
    """As torch, and XNNPACK where the recipe has `optimize_for_mobile`."""
    import torch
    import torch.backends.xnnpack  # torch itself does not import it

    torch_common.supports(variant, device)
    if variant.options.get("mobile") and not torch.backends.xnnpack.enabled:
        raise Unavailable(
            f"torch {torch.__version__} has no XNNPACK, which optimize_for_mobile needs; "
            "torch 2.12.1 is the last release with it (constraints.txt)"
        )


def suffix(variant: Variant) -> str:  # noqa: ARG001 - one ending serves every recipe
    return ".pt"


def graph(model: Model, variant: Variant) -> Any:
    """The ScriptModule of a recipe: of dynamic int8 where it names the engine of that."""
    import torch

    engine = torch_common.engine(variant)
    module = torch_state.quantize(model.module, variant) if engine else model.module
    with torch_common.inference(variant):
        if model.scriptable:
            scripted = torch.jit.script(module)
        else:
            # Two images, so that no dimension of the trace is taken for the constant one.
            images = torch.zeros(2, *model.architecture["image"])
            scripted = torch.jit.trace(module, images, strict=False)
        scripted = torch.jit.freeze(scripted.eval())
        if variant.options.get("mobile"):
            from torch.utils.mobile_optimizer import optimize_for_mobile

            scripted = optimize_for_mobile(scripted)
    return scripted


def build(
    model: Model,
    variant: Variant,
    path: Path,
    calibration: NDArray[np.float32] | None,  # noqa: ARG001 - no recipe here is calibrated
) -> None:
    graph(model, variant).save(str(path))


def load(
    path: Path,
    variant: Variant,
    device: str,
    architecture: Mapping[str, Any],  # noqa: ARG001 - the graph is in the file
    threads: int,
) -> Deployment:
    import torch

    return torch_common.graph_deployment(
        lambda: torch.jit.load(str(path), map_location=device).eval(), variant, device, threads
    )


operators = torch_common.profiled(load)


def loading_code(variant: Variant, architecture: Mapping[str, Any], file: str) -> str:  # noqa: ARG001
    lines = ["import torch"]
    if name := torch_common.engine(variant):
        lines.append(f"torch.backends.quantized.engine = {name!r}")
    return "\n".join([*lines, f"model = torch.jit.load({file!r}).eval()"])
