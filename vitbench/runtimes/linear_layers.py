"""Which linear layers of a network a library can replace by int8 ones, and how many were.

A library that replaces a layer keeps its call, not its weight as a tensor. So a layer whose weight
or bias the network reads itself (`F.linear(x, self.qkv.weight, ...)`) has to stay what it is.
"""

import copy
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vitbench.errors import Unavailable, with_kind


def replaceable(module: Any, image: Sequence[int]) -> list[str]:
    """Names of the linear layers that are used by calling them alone; `image` is its shape.

    Found by a call of the module, in which each layer notes who reads its parameters. A layer of a
    class that is derived from torch's is none: a library does not know what it adds.
    Raises Unavailable, with the reason, where there are none.
    """
    import torch

    # A copy: some networks keep what they made in their first call, and make it by a weight.
    module = copy.deepcopy(module)
    linears = {name: each for name, each in module.named_modules() if type(each) is torch.nn.Linear}
    if not linears:
        raise Unavailable("there is nothing to quantize: the model has no linear layer")
    with _watched(linears.values()) as read, torch.inference_mode():
        module(torch.zeros(1, *image))
    found = [name for name, each in linears.items() if id(each) not in read]
    if not found:
        raise Unavailable(
            f"there is nothing to quantize: the model reads the weights of its {len(linears)} "
            "linear layers itself, so none of them can be replaced by an int8 one"
        )
    return found


def require_call(module: Any, image: Sequence[int]) -> None:
    """Raises Unavailable where a module with int8 layers cannot be called as the float one can."""
    import torch

    try:
        with torch.inference_mode():
            copy.deepcopy(module)(torch.zeros(1, *image))
    except Exception as error:  # whatever the network's own code does with a layer that changed
        raise Unavailable(
            f"the model does not run with int8 linear layers: {with_kind(error)}"
        ) from error


def layer_counts(module: Any, replaced: Collection[str]) -> dict[str, int]:
    """`quantized_layers` and `float_layers` of a float module, by the names that are replaced."""
    import torch

    linears = sum(isinstance(each, torch.nn.Linear) for each in module.modules())
    return {"quantized_layers": len(replaced), "float_layers": linears - len(replaced)}


@contextmanager
def _watched(layers: Collection[Any]) -> Iterator[set[int]]:
    """The ids of those layers whose weight or bias other code than theirs reads meanwhile."""
    import torch

    read: set[int] = set()
    running: list[int] = []

    class Watched(torch.nn.Linear):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            running.append(id(self))
            try:
                return super().__call__(*args, **kwargs)
            finally:
                running.pop()

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            running.append(id(self))
            try:
                return super().forward(*args, **kwargs)
            finally:
                running.pop()

        def __getattr__(self, name: str) -> Any:
            if name in ("weight", "bias") and id(self) not in running:
                read.add(id(self))
            return super().__getattr__(name)

    for layer in layers:
        layer.__class__ = Watched
    try:
        yield read
    finally:
        for layer in layers:
            layer.__class__ = torch.nn.Linear
