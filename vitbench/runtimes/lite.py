"""The lite interpreter: what PyTorch Mobile runs. A `.ptl`, loaded and timed through itself.

`torch.jit.load` accepts a `.ptl` too, and then the full interpreter is what is timed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.models import Model
from vitbench.runtimes import torch_common, torch_state, torchscript
from vitbench.runtimes.base import Deployment, Variant
from vitbench.runtimes.torch_common import version
from vitbench.runtimes.torchscript import supports

__all__ = ["build", "load", "loading_code", "operators", "suffix", "supports", "version"]


def suffix(variant: Variant) -> str:  # noqa: ARG001 - one ending serves every recipe
    return ".ptl"


def build(
    model: Model,
    variant: Variant,
    path: Path,
    calibration: NDArray[np.float32] | None,  # noqa: ARG001 - no recipe here is calibrated
) -> dict[str, int]:
    module, layers = torch_state.prepared(model, variant)
    torchscript.graph(model, module, variant)._save_for_lite_interpreter(str(path))
    return layers


def load(
    path: Path,
    variant: Variant,
    device: str,
    architecture: Mapping[str, Any],  # noqa: ARG001 - the graph is in the file
    threads: int,
) -> Deployment:
    from torch.jit.mobile import _load_for_lite_interpreter

    return torch_common.graph_deployment(
        lambda: _load_for_lite_interpreter(str(path)), variant, device, threads
    )


operators = torch_common.profiled(load)


def loading_code(variant: Variant, architecture: Mapping[str, Any], file: str) -> str:  # noqa: ARG001
    return "\n".join(
        [
            "import torch",
            "from torch.jit.mobile import _load_for_lite_interpreter",
            f"torch.backends.quantized.engine = {torch_common.engine(variant)!r}",
            f"model = _load_for_lite_interpreter({file!r})",
        ]
    )
