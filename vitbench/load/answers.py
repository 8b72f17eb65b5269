"""What a serving process answers with. A maker takes a request and returns an Answer, or as many as
the request's `streams`, each of which is called in a thread of its own.

A request names its maker, `module:function`, in `answer`; the rest of it is the maker's own.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vitbench.runtimes import Deployment

Answer: TypeAlias = Callable[[NDArray[np.unsignedinteger[Any]]], NDArray[np.float32]]
"""Indices (N,) of samples to outputs (N, C): all that a server does for a query that it has."""


def deployment(request: Mapping[str, Any]) -> Sequence[Answer]:
    """The artifact of a Placement, on tensors: `samples` is a .npy file, float32 (N, 3, H, W).

    The call is inside its `active()` as long as the process lives.
    """
    images = np.load(request["samples"], allow_pickle=False)
    return [_on_tensors(images, each) for each in _loaded(request)]


def photographs(request: Mapping[str, Any]) -> Sequence[Answer]:
    """The same from JPEG bytes on, which `samples`, an .npz file, has by their numbers: by the row
    `front` of the table of front halves, for the `steps` of the model's preprocessing."""
    from vitbench.photo.backends import BACKENDS
    from vitbench.photo.chain import chained
    from vitbench.photo.steps import Steps
    from vitbench.photo.timing import use_threads

    with np.load(request["samples"], allow_pickle=False) as arrays:
        jpegs = [arrays[str(number)].tobytes() for number in range(len(arrays.files))]
    front = BACKENDS[request["front"]].front_half(Steps.from_json(request["steps"]))
    use_threads(request["threads"])
    return [_on_photographs(jpegs, chained(front, each)) for each in _loaded(request)]


def _loaded(request: Mapping[str, Any]) -> Sequence["Deployment"]:
    """Of each stream of the runtime, or the only one."""
    from vitbench.runtimes import load, placement_of, streams

    placement, count = placement_of(request), request.get("streams", 0)
    found = streams(placement, count) if count else [load(placement)]
    for each in found:
        ExitStack().enter_context(each.active())
    return found


def _on_tensors(images: NDArray[np.float32], loaded: "Deployment") -> Answer:
    def answer(samples: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.float32]:
        output = loaded(loaded.stage(images[samples]))
        loaded.synchronize()
        return loaded.read(output)

    return answer


def _on_photographs(jpegs: Sequence[bytes], chain: "Deployment") -> Answer:
    def answer(samples: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.float32]:
        found = chain([jpegs[sample] for sample in samples])
        return chain.read(found)

    return answer


def nothing(_: Mapping[str, Any]) -> Answer:
    """Answers at once: what is left is the generator's own limit."""
    return lambda samples: np.zeros((len(samples), 1), np.float32)


def made(request: Mapping[str, Any]) -> Sequence[Answer]:
    """What a request's maker returns."""
    module, _, name = request["answer"].partition(":")
    found: Answer | Sequence[Answer] = getattr(import_module(module), name)(request)
    return [found] if callable(found) else found
