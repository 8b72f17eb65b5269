"""The roof: the fastest matrix products of this machine, for each precision, measured here and now.

A case's share of the roof (Williams, Waterman and Patterson 2009) says how much a better recipe
could still win. The roof is what torch's own kernels reach on a large product, not a data sheet.
"""

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any

SIDE = 2048  # elements: three such float32 matrices do not fit a core's own cache
SECONDS = 0.3  # per precision


def peaks(device: str, threads: int) -> dict[str, float]:
    """Operations per second of a product of square matrices, by precision, on `threads` threads.

    Two operations for each multiply-add. A precision that this torch cannot multiply there is
    left out. The best of the calls that fit in a third of a second counts: what disturbs a call
    can only slow it down.
    """
    import torch

    torch.set_num_threads(threads)
    found = {}
    with torch.inference_mode():
        for name, product in _products(device).items():
            try:
                found[name] = 2 * SIDE**3 / _least_seconds(product, device)
            except (RuntimeError, NotImplementedError):
                continue
    return found


def _products(device: str) -> Mapping[str, Callable[[], Any]]:
    import torch

    def operands(dtype: Any) -> tuple[Any, Any]:
        generator = torch.Generator().manual_seed(0)
        pair = (torch.randint(-8, 8, (SIDE, SIDE), generator=generator) for _ in range(2))
        left, right = (each.to(device, dtype) for each in pair)
        return left, right

    products: dict[str, Callable[[], Any]] = {}
    names = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if device != "cpu":
        names["fp16"] = torch.float16
    for name, dtype in names.items():
        products[name] = partial(torch.mm, *operands(dtype))
    products["int8"] = partial(torch._int_mm, *operands(torch.int8))
    return products


def _least_seconds(product: Callable[[], Any], device: str) -> float:
    import torch

    def call() -> float:
        start = perf_counter()
        product()
        if device != "cpu":
            torch.cuda.synchronize(device)
        return perf_counter() - start

    call()
    taken = [call()]
    while sum(taken) < SECONDS:
        taken.append(call())
    return min(taken)
