"""SmoothQuant between a LayerNorm and the linear layers after it (Xiao et al., ICML 2023).

A few channels that are far larger than the others take the steps of an int8 activation from them.
Each channel of what a LayerNorm gives is divided by a factor, and the weights that meet it are
multiplied by that: the same in float, and at no cost, since the factors go into the LayerNorm's own
weight and bias. What it takes from the activations' ranges, it adds to the weights'.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-5  # of a channel's largest value: what is always zero keeps a finite factor
BATCH = 8


def smoothed(
    module: Any, names: Iterable[str], alpha: float, images: NDArray[np.float32]
) -> tuple[Any, list[str]]:
    """A copy of a float32 module whose linear layers of these names are smoothed, where each takes
    what a LayerNorm gives and nothing else does; and the names of the LayerNorms.

    A factor is `largest activation ** alpha / largest weight ** (1 - alpha)` of the channel, over
    all images, float32 (N, 3, H, W), and over all layers that the LayerNorm feeds.
    """
    import torch

    module = copy.deepcopy(module)
    found = fed_by_norms(module, names, images[:1])
    largest = _largest(module, {norm: layers[0] for norm, layers in found.items()}, images)
    for norm_name, layer_names in found.items():
        norm = module.get_submodule(norm_name)
        layers = [module.get_submodule(name) for name in layer_names]
        weights = torch.stack([each.weight.abs().amax(0) for each in layers]).amax(0)
        activations = largest[norm_name].clamp_min(SMALLEST)
        factors = activations**alpha / weights.clamp_min(SMALLEST) ** (1 - alpha)
        with torch.no_grad():
            norm.weight.div_(factors)
            norm.bias.div_(factors)
            for each in layers:
                each.weight.mul_(factors)
    return module, list(found)


def fed_by_norms(
    module: Any, names: Iterable[str], images: NDArray[np.float32]
) -> dict[str, list[str]]:
    """The linear layers of these names that take what a LayerNorm gives, by the LayerNorm's name.

    Found in a call on some images. Left out is a LayerNorm whose output anything else reads, that
    has no weight or bias of its own, or that is called twice, and a layer that is called twice.
    """
    import torch

    parameters = [id(each) for _, each in module.named_parameters(remove_duplicate=False)]

    def owns(layer: Any) -> bool:
        return all(
            each is not None and parameters.count(id(each)) == 1
            for each in (layer.weight, layer.bias)
        )

    wanted = {*names}
    every = dict(module.named_modules())
    norms = {n: x for n, x in every.items() if isinstance(x, torch.nn.LayerNorm) and owns(x)}
    linears = {
        n: x for n, x in every.items() if n in wanted and parameters.count(id(x.weight)) == 1
    }
    given: dict[str, list[Any]] = {name: [] for name in norms}
    taken: dict[str, list[Any]] = {name: [] for name in linears}
    with _readers(norms, linears, given, taken) as others, torch.inference_mode():
        module(torch.from_numpy(images))
    found = {}
    for name, outputs in given.items():
        takers = [n for n, inputs in taken.items() if any(each is outputs[0] for each in inputs)]
        alone = all(len(taken[each]) == 1 for each in takers)
        if len(outputs) == 1 and takers and alone and id(outputs[0]) not in others:
            found[name] = takers
    return found


@contextmanager
def _readers(
    norms: Mapping[str, Any],
    linears: Mapping[str, Any],
    given: dict[str, list[Any]],
    taken: dict[str, list[Any]],
) -> Iterator[set[int]]:
    """Notes what the norms give and the linear layers take meanwhile; yields the ids of those
    outputs of norms that anything else reads."""
    from torch.overrides import TorchFunctionMode

    others: set[int] = set()
    running: list[str] = []

    def begin(name: str) -> Any:
        def hook(_: Any, args: tuple[Any, ...]) -> None:
            running.append(name)
            taken[name].append(args[0] if args else None)

        return hook

    def end(*_: Any) -> None:
        running.pop()

    def note(name: str) -> Any:
        return lambda _, __, output: given[name].append(output)

    class Reads(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, _: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            found = function(*args, **(kwargs or {}))
            outputs = {id(each) for every in given.values() for each in every}
            if not running and outputs and _has_tensor(found):
                for each in _tensors((args, kwargs)):
                    if id(each) in outputs and each is not found:
                        others.add(id(each))
            return found

    handles = [
        *(each.register_forward_hook(note(name)) for name, each in norms.items()),
        *(each.register_forward_pre_hook(begin(name)) for name, each in linears.items()),
        *(each.register_forward_hook(end) for each in linears.values()),
    ]
    try:
        with Reads():
            yield others
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> list[Any]:
    import torch
    from torch.utils._pytree import tree_leaves

    return [each for each in tree_leaves(value) if isinstance(each, torch.Tensor)]


def _has_tensor(value: Any) -> bool:
    return bool(_tensors(value))


def _largest(module: Any, layers: Mapping[str, str], images: NDArray[np.float32]) -> dict[str, Any]:
    """The largest value of each channel that a layer takes, by the key of its name."""
    import torch

    found: dict[str, Any] = {}

    def note(key: str) -> Any:
        def hook(_: Any, args: tuple[Any, ...]) -> None:
            values = args[0].abs().flatten(0, -2).amax(0)
            found[key] = torch.maximum(found[key], values) if key in found else values

        return hook

    handles = [
        module.get_submodule(name).register_forward_pre_hook(note(key))
        for key, name in layers.items()
    ]
    with torch.inference_mode():
        for part in torch.from_numpy(images).split(BATCH):
            module(part)
    for handle in handles:
        handle.remove()
    return {key: values.clone() for key, values in found.items()}
