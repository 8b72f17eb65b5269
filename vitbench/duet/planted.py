"""A slowdown planted as real extra work inside a timed call, to measure what a gate can see."""

from dataclasses import replace
from typing import Any

import numpy as np

from vitbench.runtimes.base import Deployment

_SIDE = 64  # a product of this size takes a few microseconds: fine steps of a 10 ms call


def extra_work(units: int) -> None:
    """So many small float32 matrix products: work that a busy machine slows like any other."""
    matrix = np.ones((_SIDE, _SIDE), np.float32)
    for _ in range(units):
        matrix @ matrix


def with_extra(deployment: Deployment, units: int) -> Deployment:
    """The deployment whose every call does that much more; itself where `units` is 0."""
    if not units:
        return deployment
    call = deployment.call

    def slower(staged: Any) -> Any:
        extra_work(units)
        return call(staged)

    return replace(deployment, call=slower)
