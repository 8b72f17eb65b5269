"""TorchScript: scripted where the model allows it, traced where not, frozen, saved and loaded.

Freezing turns weights into constants and removes what inference does not need.
`optimize_for_mobile` then rewrites the graph for XNNPACK.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable, in_short
from vitbench.models import Model
from vitbench.runtimes import torch_common, torch_counts, torch_profile, torch_state
from vitbench.runtimes.base import Deployment, Placement, Variant
from vitbench.runtimes.torch_common import calling_code as calling_code
from vitbench.runtimes.torch_common import version as version
from vitbench.runtimes.torch_state import suits as suits


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


def suffix(_: Variant) -> str:
    return ".pt"


def graph(model: Model, module: Any, variant: Variant) -> Any:
    """The ScriptModule of a model whose layers, in `module`, are those of the recipe.

    It is traced where it cannot be scripted. Raises Unavailable where it cannot be traced either.
    """

    with torch_common.inference(variant):
        found = _frozen(model, module)
        if variant.options.get("mobile"):
            from torch.utils.mobile_optimizer import optimize_for_mobile

            found = optimize_for_mobile(found)
    return found


def _frozen(model: Model, module: Any) -> Any:
    import torch

    why = "it is known to fail"
    if model.scriptable:
        try:
            return torch.jit.freeze(torch.jit.script(module).eval())
        except Exception as error:  # torch's compiler raises many kinds
            why = in_short(error)
    try:
        return _traced(module, model.architecture["image"])
    except Exception as error:  # whatever the network's own code does with a traced tensor
        raise Unavailable(
            f"torch.jit cannot script the model ({why}), and a trace of it does not serve: "
            f"{in_short(error)}"
        ) from error


def _traced(module: Any, image: Sequence[int]) -> Any:
    """Frozen. Raises ValueError where the trace answers otherwise than the module.

    That is asked with other images than were traced, and another number of them: a trace has what
    the network decided for those as constants.
    """
    import torch

    # Two images, so that no dimension of the trace is taken for the constant one.
    images = torch.zeros(2, *image)
    traced = torch.jit.freeze(torch.jit.trace(module, images, strict=False).eval())
    # Noise: the mean over a smooth image would hide a wrong factor.
    other = torch.randn(1, *image, generator=torch.Generator().manual_seed(0))
    wanted, found = module(other), traced(other)
    # Rounding moves an int8 activation to the next value here and there.
    if not (found - wanted).norm() <= 0.05 * wanted.norm():
        raise ValueError("it answers otherwise than the model for another image")
    return traced


def build(
    model: Model,
    variant: Variant,
    path: Path,
    _: NDArray[np.float32] | None,
) -> dict[str, Any]:
    module, layers = torch_state.prepared(model, variant)
    graph(model, module, variant).save(str(path))
    return layers


def load(placement: Placement) -> Deployment:
    import torch

    return torch_common.graph_deployment(
        lambda: torch.jit.load(str(placement.path), map_location=placement.device).eval(), placement
    )


operators = torch_profile.profiled(load)
structure = torch_counts.counted(load)


def loading_code(placement: Placement) -> str:
    lines = ["import torch"]
    if name := torch_common.engine(placement.variant):
        lines.append(f"torch.backends.quantized.engine = {name!r}")
    return "\n".join([*lines, f"model = torch.jit.load({str(placement.path)!r}).eval()"])
