"""What a request costs around the call, and what of the call is the device's own."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.runtimes.base import Deployment

REPEATS = 5


def _usual(once: Callable[[], float]) -> float:
    """The median of REPEATS, after a first one, which may allocate."""
    return float(np.median([once() for _ in range(1 + REPEATS)][1:]))


def usual_seconds(work: Callable[[], Any], now: Callable[[], float] = perf_counter) -> float:
    """Seconds that some work takes: the median of REPEATS, after a first one."""

    def once() -> float:
        start = now()
        work()
        return now() - start

    return _usual(once)


def stages(
    deployment: Deployment, images: NDArray[np.float32], now: Callable[[], float] = perf_counter
) -> dict[str, float | None]:
    """Seconds that the time of a call leaves out, or that are a part of it.

    `stage_seconds`: `images` to where and how the call wants them, on CUDA the copy to the device.
    `device_seconds`: between events on the device around a call, without the host's work before
    the first of its kernels; None where the device has no events.
    """

    def stage() -> None:
        deployment.stage(images)
        deployment.synchronize()

    with deployment.active():
        staged, events = deployment.stage(images), deployment.device_seconds
        deployment.synchronize()
        return {
            "stage_seconds": usual_seconds(stage, now),
            "device_seconds": None if events is None else _usual(lambda: events(staged)),
        }
