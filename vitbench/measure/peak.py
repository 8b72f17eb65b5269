"""The roof: the fastest matrix products of this machine, for each precision, measured here and now.

A case's share of the roof (Williams, Waterman and Patterson 2009) says how much a better recipe
could still win. The roof is what torch's own kernels reach on a large product, not a data sheet.
"""

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from vitbench.runtimes.torch_common import quantized_engine

SIDE = 1024  # elements: large enough for the best rate, small enough for emulated bfloat16
# On CUDA a product of that size takes less than to launch it: larger ones, and several in a row.
CUDA_SIDE, CUDA_CALLS = 8192, 10
SECONDS = 0.3  # per kernel


def peaks(device: str, threads: int) -> dict[str, float]:
    """Operations per second of a product of square matrices, by precision, on `threads` threads.

    Two operations for each multiply-add. A precision that this torch cannot multiply there is
    left out. The best call of the best kernel counts: what disturbs a call can only slow it down.
    """
    import torch

    torch.set_num_threads(threads)
    least: dict[str, float] = {}
    with torch.inference_mode():
        for name, product in _products(device):
            try:
                taken = _least_seconds(product, device)
            except (RuntimeError, NotImplementedError, AttributeError):
                continue  # this build of torch has no such product
            least[name] = min(taken, least.get(name, taken))
    return {name: 2 * _side(device) ** 3 / seconds for name, seconds in least.items()}


def _side(device: str) -> int:
    return SIDE if device == "cpu" else CUDA_SIDE


def _products(device: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Precisions and products; several of one precision where no kernel is the best everywhere."""
    import torch

    side = _side(device)

    def operands(dtype: Any) -> tuple[Any, Any]:
        generator = torch.Generator().manual_seed(0)
        pair = (torch.randint(-8, 8, (side, side), generator=generator) for _ in range(2))
        left, right = (each.to(device, dtype) for each in pair)
        return left, right

    yield "fp32", partial(torch.nn.functional.linear, *operands(torch.float32))
    yield "bf16", partial(torch.nn.functional.linear, *operands(torch.bfloat16))
    if device == "cpu":
        if torch.backends.mkldnn.is_available():
            # MKL, which the first one calls, leaves out AVX-512 on CPUs that are not Intel's.
            yield "fp32", partial(_onednn_linear, *operands(torch.float32))
        # Not `_int_mm`, which without VNNI is a scalar loop, a hundred times slower than these.
        for engine in sorted({"fbgemm", "onednn"} & {*torch.backends.quantized.supported_engines}):
            yield "int8", _int8_linear(engine, operands(torch.float32)[0])
    else:
        yield "fp16", partial(torch.nn.functional.linear, *operands(torch.float16))
        yield "int8", partial(torch._int_mm, *operands(torch.int8))
        left, right = operands(torch.float8_e4m3fn)
        one = torch.ones((), device=device)
        yield "fp8", partial(torch._scaled_mm, left, right.t(), one, one, out_dtype=torch.bfloat16)


def _onednn_linear(left: Any, right: Any) -> Any:
    import torch

    return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")


def _int8_linear(engine: str, left: Any) -> Callable[[], Any]:
    """A dynamic int8 linear layer of an engine: it also quantizes its input, which is little."""
    import torch

    with quantized_engine(engine):
        layer = torch.nn.Sequential(torch.nn.Linear(SIDE, SIDE, bias=False))
        layer = torch.ao.quantization.quantize_dynamic(layer, {torch.nn.Linear}, torch.qint8)

    def call() -> Any:
        with quantized_engine(engine):
            return layer(left)

    return call


def _least_seconds(product: Callable[[], Any], device: str) -> float:
    """One product's share of the calls that fit in SECONDS, after a first one."""
    import torch

    calls = 1 if device == "cpu" else CUDA_CALLS

    def call() -> float:
        start = perf_counter()
        for _ in range(calls):
            product()
        if device != "cpu":
            torch.cuda.synchronize(device)
        return perf_counter() - start

    call()
    taken = [call()]
    while sum(taken) < SECONDS:
        taken.append(call())
    return min(taken) / calls
