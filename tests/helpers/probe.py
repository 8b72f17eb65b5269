"""What deployments do to their process: `python -m tests.helpers.probe < REQUEST` prints JSON.

REQUEST has `placements`, a list of Placements' JSON, of one number of threads and of different
variants: the answer has an entry for each variant in `found`. Its `garbage` are Placements' JSON of
files that cannot be loaded: the answer's `refused` are the variants of those that raise, and `keys`
says whether the variables that keys of the cache have are as before.

A process of its own, whose environment is a user's: settings that suit tests run side by side would
hide what is asked here. Where several variants are asked, one after the other in that process, a
helper thread that never rests shows in all that follow.
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vitbench import environment, runtimes, variables


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
    """What the other threads do of the busiest one's work, over 8 calls.

    Of the work, not of the wall time: a busy machine gives fewer cores than were asked for.
    """
    started = thread_seconds()
    for _ in range(8):
        deployment(staged)
    busy = sorted(
        (seconds - started.get(name, 0.0) for name, seconds in thread_seconds().items()),
        reverse=True,
    )
    return sum(busy[1:]) / busy[0]


def busy_while_idle(deployment: runtimes.Deployment, staged: Any) -> float:
    """Cores that the process keeps busy after a call, when its helpers have had time to rest."""
    deployment(staged)
    time.sleep(0.25)  # a helper that lost its core has its few spins still before it
    spent = time.process_time()
    time.sleep(0.2)
    return (time.process_time() - spent) / 0.2


def probe(placement: runtimes.Placement) -> dict[str, object]:
    """`helped`: shares of the work; `cores_idle`; `changed`: settings that are not as they were."""
    before, threads = state(), placement.threads
    deployment = runtimes.load(placement)
    shape = placement.image
    images = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    deployment.logits(images)
    staged = deployment.stage(images)
    with deployment.active():
        deployment(staged)
        shares = [helped(deployment, staged)]
        # On a busy machine a helper may find no free core for a while.
        while threads > 1 and max(shares) < 0.1 and len(shares) < 80:
            shares.append(helped(deployment, staged))
        # A short moment of somebody's work in one of them is no helper that never rests.
        idle = min(busy_while_idle(deployment, staged) for _ in range(2))
    after = state()
    changed = [name for name in before if before[name] != after[name]]
    return {"helped": shares, "cores_idle": idle, "changed": changed}


def refuses(placement: runtimes.Placement) -> bool:
    """Whether loading raises, rather than ends the process or takes the file for one of its own."""
    try:
        runtimes.load(placement)
    except Exception:
        return True
    return False


def main() -> None:
    request = json.load(sys.stdin)
    asked, garbage = (
        [runtimes.placement_of(each) for each in request[name]]
        for name in ("placements", "garbage")
    )
    before = variables.of_results()
    environment.settle_idle_threads()
    import torch

    torch.set_num_threads(asked[0].threads)
    # What libraries print does not spoil the answer.
    with os.fdopen(os.dup(1), "w") as reply:
        os.dup2(2, 1)
        answer = {
            "found": {each.variant.name: probe(each) for each in asked},
            "refused": [each.variant.name for each in garbage if refuses(each)],
            "keys": variables.of_results() == before,
        }
        print(json.dumps(answer), file=reply)


if __name__ == "__main__":
    main()
