"""What a network is made of, as two calls of it show.

A runtime's verb `suits` says whether a recipe can be made of that, before anything is built: the
reason is known in the time of two images, and not when an export of minutes ends.
"""

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from vitbench.runtimes.linear_layers import watched


@dataclass(frozen=True)
class Network:
    """`operators` counts torch's operators (`aten.conv2d.default`) in a call on one image.
    `linear` are the names of its linear layers, `read` those whose weights the network reads
    itself, `fixed` those whose input is the same for other images."""

    operators: Mapping[str, int]
    linear: tuple[str, ...] = ()
    read: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()


def observed(module: Any, image: Sequence[int]) -> Network:
    """What two calls of a float32 module on images (1, *image) show. It is left as it is."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    operators: Counter[str] = Counter()

    class Counting(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, function: Any, _: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            operators[str(function)] += 1
            return function(*args, **(kwargs or {}))

    # A copy: some networks keep what they made in their first call, and make it by a weight.
    module = copy.deepcopy(module)
    linears = {name: each for name, each in module.named_modules() if type(each) is torch.nn.Linear}
    random = torch.Generator().manual_seed(0)
    with watched(linears.values()) as read, torch.inference_mode():
        first = _inputs(module, linears, torch.randn(1, *image, generator=random), Counting())
        other = _inputs(module, linears, torch.randn(1, *image, generator=random), nullcontext())
    return Network(
        operators,
        tuple(linears),
        frozenset(name for name, each in linears.items() if id(each) in read),
        frozenset(name for name in first if torch.equal(first[name], other[name])),
    )


def _inputs(
    module: Any, linears: Mapping[str, Any], images: Any, around: AbstractContextManager[Any]
) -> dict[str, Any]:
    """What each of these layers that is called is given in a call of the module."""
    given: dict[str, Any] = {}

    def noted(name: str) -> Callable[..., None]:
        def hook(_: Any, args: Any, kwargs: Any) -> None:
            given[name] = args[0] if args else kwargs["input"]

        return hook

    handles = [
        each.register_forward_pre_hook(noted(name), with_kwargs=True)
        for name, each in linears.items()
    ]
    with around:
        module(images)
    for handle in handles:
        handle.remove()
    return given
