"""Where the time of a call goes, by torch.profiler: of every runtime that executes in torch."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vitbench.runtimes.base import Deployment, Operator, Placement


def profiled(
    load: Callable[[Placement], Deployment],
) -> Callable[[Placement, NDArray[np.float32]], list[Operator]]:
    """A runtime's `operators`, by torch.profiler around the deployment that its `load` makes."""

    def of_artifact(placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
        return operators(load(placement), placement.device, images)

    return of_artifact


def operators(
    deployment: Deployment, device: str, images: NDArray[np.float32], calls: int = 5
) -> list[Operator]:
    """Self time by operator: on `cpu` of the host's, on CUDA of kernels."""
    from torch.profiler import ProfilerActivity, profile

    on_cuda = device != "cpu"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    staged = deployment.stage(images)
    with deployment.active():
        for _ in range(2):  # compiled and captured by now
            deployment(staged)
        deployment.synchronize()
        with profile(activities=kinds) as profiler:
            for _ in range(calls):
                deployment(staged)
            deployment.synchronize()
    found = []
    for event in profiler.key_averages():
        own = event.self_device_time_total if on_cuda else event.self_cpu_time_total
        found.append(Operator(event.key, own * 1e-6 / calls, event.count / calls))
    return found
