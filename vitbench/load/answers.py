"""What a serving process answers with. A maker takes a request and returns an Answer.

A request names its maker, `module:function`, in `answer`; the rest of it is the maker's own.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Answer: TypeAlias = Callable[[NDArray[np.unsignedinteger[Any]]], NDArray[np.float32]]
"""Indices (N,) of samples to outputs (N, C): all that a server does for a query that it has."""


def deployment(request: Mapping[str, Any]) -> Answer:
    """The artifact of a Placement, on tensors: `samples` is a .npy file, float32 (N, 3, H, W).

    The call is inside its `active()` as long as the process lives.
    """
    from vitbench.runtimes import load, placement_of

    images = np.load(request["samples"], allow_pickle=False)
    loaded = load(placement_of(request))
    ExitStack().enter_context(loaded.active())

    def answer(samples: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.float32]:
        output = loaded(loaded.stage(images[samples]))
        loaded.synchronize()
        return loaded.read(output)

    return answer


def nothing(_: Mapping[str, Any]) -> Answer:
    """Answers at once: what is left is the generator's own limit."""
    return lambda samples: np.zeros((len(samples), 1), np.float32)


def made(request: Mapping[str, Any]) -> Answer:
    """The Answer of a request's maker."""
    module, _, name = request["answer"].partition(":")
    answer: Answer = getattr(import_module(module), name)(request)
    return answer
