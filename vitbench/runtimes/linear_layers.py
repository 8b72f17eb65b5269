"""Which linear layers of a network a library can replace by int8 ones, and which were.

A library that replaces a layer keeps its call, not its weight as a tensor. So a layer whose weight
or bias the network reads itself (`F.linear(x, self.qkv.weight, ...)`) has to stay what it is.
"""

import copy
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from vitbench.errors import Unavailable, UserError, near, with_kind
from vitbench.models import Model, skeleton
from vitbench.runtimes.base import Variant

FLOAT_LAYERS = "float_layers"
"""The option of int8 recipes: names or globs of the layers that stay in float."""


def replaceable(module: Any, image: Sequence[int]) -> list[str]:
    """Names of the linear layers that are used by calling them alone; `image` is its shape.

    Found by a call of the module, in which each layer notes who reads its parameters. A layer of a
    class that is derived from torch's is none: a library does not know what it adds.
    Raises Unavailable, with the reason, where there are none.
    """
    linears, read = _readers(module, image)
    require_some(linears, read)
    return [name for name in linears if name not in read]


def require_some(linear: Collection[str], read: Collection[str]) -> None:
    """Raises Unavailable where a library that replaces linear layers finds none to replace: the
    network reads the weights of those of `read` itself."""
    if not linear:
        raise Unavailable("there is nothing to quantize: the model has no linear layer")
    if len(read) == len(linear):
        raise Unavailable(
            f"there is nothing to quantize: the model reads the weights of its {len(linear)} "
            "linear layers itself, so none of them can be replaced by an int8 one"
        )


def replaceable_anew(model: Model) -> list[str]:
    """As `replaceable`, of a module that was never called before, too: some networks read a weight
    in their first call alone (ConViT), which a process that loads the file has yet to make."""
    image = model.architecture["image"]
    names = replaceable(model.module, image)
    if "source" not in model.architecture:  # nothing makes such a module again
        return names
    _, read = _readers(skeleton(model.architecture), image)
    return [name for name in names if name not in read]


def _readers(module: Any, image: Sequence[int]) -> tuple[list[str], set[str]]:
    """The names of a module's linear layers, and of those whose parameters it reads itself."""
    import torch

    # A copy: some networks keep what they made in their first call, and make it by a weight.
    module = copy.deepcopy(module)
    linears = {name: each for name, each in module.named_modules() if type(each) is torch.nn.Linear}
    if linears:
        with watched(linears.values()) as read, torch.inference_mode():
            module(torch.zeros(1, *image))
        return [*linears], {name for name, each in linears.items() if id(each) in read}
    return [], set()


def require_call(module: Any, image: Sequence[int]) -> None:
    """Raises Unavailable where a module with int8 layers cannot be called as the float one can."""
    import torch

    try:
        with torch.inference_mode():
            dtype = next((each.dtype for each in module.parameters()), torch.float32)
            copy.deepcopy(module)(torch.zeros(1, *image, dtype=dtype))
    except Exception as error:  # whatever the network's own code does with a layer that changed
        raise Unavailable(
            f"the model does not run with int8 linear layers: {with_kind(error)}"
        ) from error


def quantized(names: Sequence[str], variant: Variant) -> list[str]:
    """Those of the layers that can be quantized which a recipe does: all but its `float_layers`.

    A name is one of `Module.named_modules`; in a glob `*` takes dots too. Raises UserError for one
    that meets none of `names`, and Unavailable where that leaves no layer to quantize.
    """
    found = list(names)
    for glob in variant.options.get(FLOAT_LAYERS, ()):
        met = {name for name in names if fnmatchcase(name, glob)}
        if not met:
            raise UserError(
                f"{variant.name}: float_layers names {glob!r}, and no int8 layer of the model has "
                f"such a name: {near(glob, names)}; a name is the model's own, or a glob such as "
                "'blocks.*.mlp.fc2'"
            )
        found = [name for name in found if name not in met]
    if names and not found:
        raise Unavailable(
            f"there is nothing to quantize: float_layers leaves all {len(names)} layers in float"
        )
    return found


def linear_names(module: Any) -> list[str]:
    """The names of all linear layers, those of derived classes too, in the order of the network."""
    import torch

    every = module.named_modules()
    return [name for name, each in every if isinstance(each, torch.nn.Linear)]


def layer_record(module: Any, names: Collection[str], variant: Variant) -> dict[str, Any]:
    """What a build tells of its layers, where those of `names` can be quantized in a float module.

    `quantized_layers` and `float_layers` are numbers of linear layers; `float_by_option` is how
    many of the latter `float_layers` names. `quantized_names` may have another kind of layer too.
    """
    found, every = quantized(list(names), variant), {*linear_names(module)}
    return {
        "quantized_layers": len(every.intersection(found)),
        "float_layers": len(every.difference(found)),
        "float_by_option": len(every.intersection(names).difference(found)),
        "quantized_names": found,
    }


@contextmanager
def watched(layers: Collection[Any]) -> Iterator[set[int]]:
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
