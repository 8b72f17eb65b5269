"""What a deployment does to its process: `python -m vitbench.tests.probe REQUEST` prints JSON.

REQUEST is JSON: artifact, variant, architecture, threads. A process of its own, whose environment
is a user's: settings that suit tests run side by side would hide what is asked here.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from vitbench import environment, runtimes


def state() -> dict[str, object]:
    """The process-wide settings that a deployment may want otherwise."""
    import torch
    import torch._dynamo
    import torch._inductor.config

    return {
        "engine": torch.backends.quantized.engine,
        "dynamo": torch._dynamo.config.get_config_copy(),
        "inductor": torch._inductor.config.get_config_copy(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "TF32": [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32],
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def main() -> None:
    request = json.loads(sys.argv[1])
    environment.settle_idle_threads()
    import torch

    torch.set_num_threads(request["threads"])
    before = state()
    recipe = runtimes.variant(request["variant"])
    deployment = runtimes.load(
        Path(request["artifact"]), recipe, "cpu", request["architecture"], request["threads"]
    )
    shape = request["architecture"]["image"]
    images = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    deployment.logits(images)
    staged = deployment.stage(images)
    with deployment.active():
        deployment(staged)
        cores = []
        for _ in range(5):
            busy, wall = time.process_time(), time.perf_counter()
            for _ in range(3):
                deployment(staged)
            wall, busy = time.perf_counter() - wall, time.process_time() - busy
            cores.append(busy / wall)
        idle = []
        for _ in range(5):
            deployment(staged)
            time.sleep(0.02)
            busy = time.process_time()
            time.sleep(0.2)
            idle.append((time.process_time() - busy) / 0.2)
    after = state()
    answer = {
        "cores_busy": float(np.median(cores)),
        "cores_idle": float(np.median(idle)),
        "changed": [name for name in before if before[name] != after[name]],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
