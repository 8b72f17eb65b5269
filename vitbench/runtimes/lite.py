"""The lite interpreter: what PyTorch Mobile runs. A `.ptl`, loaded and timed through itself.

`torch.jit.load` accepts a `.ptl` too, and then the full interpreter is what is timed.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.models import Model
from vitbench.runtimes import torch_common, torch_counts, torch_profile, torch_state, torchscript
from vitbench.runtimes.base import Deployment, Placement, Variant
from vitbench.runtimes.torch_common import calling_code as calling_code
from vitbench.runtimes.torch_common import version as version
from vitbench.runtimes.torch_state import suits as suits
from vitbench.runtimes.torchscript import supports as supports


def suffix(_: Variant) -> str:
    return ".ptl"


def build(
    model: Model,
    variant: Variant,
    path: Path,
    _: NDArray[np.float32] | None,
) -> dict[str, Any]:
    module, layers = torch_state.prepared(model, variant)
    torchscript.graph(model, module, variant)._save_for_lite_interpreter(str(path))
    return layers


def load(placement: Placement) -> Deployment:
    from torch.jit.mobile import _load_for_lite_interpreter

    return torch_common.graph_deployment(
        lambda: _load_for_lite_interpreter(str(placement.path)), placement
    )


operators = torch_profile.profiled(load)
structure = torch_counts.counted(load)


def loading_code(placement: Placement) -> str:
    return "\n".join(
        [
            "import torch",
            "from torch.jit.mobile import _load_for_lite_interpreter",
            f"torch.backends.quantized.engine = {torch_common.engine(placement.variant)!r}",
            f"model = _load_for_lite_interpreter({str(placement.path)!r})",
        ]
    )
