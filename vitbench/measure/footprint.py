"""What a deployment costs where nothing else runs: a fresh process loads it and infers once."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Case
from vitbench.deploy.worker import ask

# Compiling is part of a compiled deployment's first inference.
FRESH_SECONDS = 900.0


def fresh_process(
    artifact: Path,
    case: Case,
    threads: int,
    architecture: Mapping[str, Any],
    images: NDArray[np.float32],
) -> dict[str, Any]:
    """Load `artifact` in a process of its own and call it once on `images`, (N, 3, H, W).

    Returns `load_seconds`, `first_inference_seconds`, `peak_memory_bytes` (highest resident memory
    of the process), `baseline_memory_bytes` (resident once the runtime is imported) and
    `cuda_peak_bytes` (of the CUDA allocator; None on a CPU), by that process' own clock.
    Raises what `ask` raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        np.save(file, images)
        request = {
            "verb": "footprint",
            "variant": case.variant,
            "path": str(artifact),
            "device": case.device,
            "threads": threads,
            "architecture": dict(architecture),
            "images": str(file),
        }
        return ask(request, FRESH_SECONDS)
