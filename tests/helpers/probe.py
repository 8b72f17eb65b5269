"""What a deployment does to its process: `python -m tests.helpers.probe REQUEST` prints JSON.

REQUEST is a Placement's JSON. A process of its own, whose environment
is a user's: settings that suit tests run side by side would hide what is asked here.
"""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

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


def thread_seconds() -> dict[str, float]:
    """Seconds on a core, of each thread of this process so far (first field of schedstat)."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread may end before it is read
            found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


def helped(deployment: runtimes.Deployment, staged: Any) -> float:
    """What the other threads do of the busiest one's work, over 15 calls.

    Of the work, not of the wall time: a busy machine gives fewer cores than were asked for.
    """
    started = thread_seconds()
    for _ in range(15):
        deployment(staged)
    busy = sorted(
        (seconds - started.get(name, 0.0) for name, seconds in thread_seconds().items()),
        reverse=True,
    )
    return sum(busy[1:]) / busy[0]


def main() -> None:
    request = json.loads(sys.argv[1])
    environment.settle_idle_threads()
    import torch

    torch.set_num_threads(request["threads"])
    before = state()
    deployment = runtimes.load(runtimes.placement_of(request))
    shape = request["architecture"]["image"]
    images = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    deployment.logits(images)
    staged = deployment.stage(images)
    with deployment.active():
        deployment(staged)
        shares = [helped(deployment, staged) for _ in range(3)]
        # On a busy machine a helper may find no free core for a while.
        while request["threads"] > 1 and max(shares) < 0.1 and len(shares) < 40:
            shares.append(helped(deployment, staged))
        idle = []
        for _ in range(5):
            deployment(staged)
            time.sleep(0.25)  # a helper that lost its core has its few spins still before it
            spent = time.process_time()
            time.sleep(0.2)
            idle.append((time.process_time() - spent) / 0.2)
    after = state()
    answer = {
        "helped": shares,
        "cores_idle": float(np.median(idle)),
        "changed": [name for name in before if before[name] != after[name]],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
