"""What a call executes in torch, counted by its profiler; what torch.compile made of it, by Dynamo.

torch.profiler records every call through the dispatcher, those that an operator makes itself too.
Counted is what computes: an operator that hands its work on (`aten::linear` to `aten::addmm`) is
left out, and so is what only looks at memory otherwise (`VIEWS`), which has counters of its own.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.runtimes.base import Deployment, Placement
from vitbench.structure import Counters

WARM_CALLS = 3  # TorchScript's profiling executor optimises in its second call
# They compute nothing themselves: they describe memory otherwise, ask for it, or call `copy_`.
VIEWS = frozenset({
    "_local_scalar_dense", "_reshape_alias", "_to_copy", "_unsafe_view", "alias", "as_strided",
    "as_strided_", "chunk", "clone", "contiguous", "detach", "dropout", "empty", "empty_like",
    "empty_strided", "expand", "expand_as", "flatten", "full", "is_nonzero", "item", "lift_fresh",
    "movedim", "narrow", "new_empty", "new_zeros", "numpy_T", "ones", "ones_like", "permute",
    "reshape", "resize_", "resolve_conj", "resolve_neg", "result_type", "select", "slice",
    "split", "split_with_sizes", "squeeze", "swapaxes", "t", "tensor_split", "to", "transpose",
    "type_as", "unbind", "unflatten", "unsafe_split", "unsqueeze", "view", "view_as", "zeros",
    "zeros_like",
})  # fmt: skip
# An operator that makes a copy for itself still computes itself.
MOVES = frozenset({"copy_", "fill_", "zero_"})
_OURS = re.compile(r"^vitbench_[0-9a-f]+_\w+::")  # the namespace of tuned/, by its sources' digest


def counted(
    load: Callable[[Placement], Deployment],
) -> Callable[[Placement, NDArray[np.float32]], Counters]:
    """A runtime's `structure`, by the deployment that its `load` makes."""

    def of_artifact(placement: Placement, images: NDArray[np.float32]) -> Counters:
        return counters(lambda: load(placement), placement.device, images)

    return of_artifact


def counters(
    load: Callable[[], Deployment], device: str, images: NDArray[np.float32]
) -> dict[str, dict[str, int]]:
    """Of one call on `images`, after some others that compiled what there is to compile."""
    from torch.profiler import ProfilerActivity, profile

    _forget_compiled()
    on_cuda = device != "cpu"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    deployment = load()
    with deployment.active():
        staged = deployment.stage(images)
        for _ in range(WARM_CALLS):
            deployment(staged)
        deployment.synchronize()
        with profile(activities=kinds, record_shapes=True, profile_memory=True) as profiler:
            deployment(staged)
            deployment.synchronize()
    results = profiler.profiler.kineto_results
    operators, views, memory = Counter[str](), Counter[str](), Counter[str]()
    for root in results.experimental_event_tree():
        _count(root, operators, views, memory)
    found = {"operators": operators, "views": views, "memory": memory, "graph": _compiled()}
    if on_cuda:
        found |= _on_device(results.events())
    return {kind: dict(each) for kind, each in found.items()}


def _count(node: Any, operators: Counter[str], views: Counter[str], memory: Counter[str]) -> bool:
    """Counts an event and those within. Whether anything within, or itself, computes."""
    kind = node.typed[0].name
    if kind == "Allocation":
        memory["allocations"] += node.typed[1].alloc_size > 0
        return False
    # All events within are counted, whatever the first of them is.
    within = bool(sum(_count(child, operators, views, memory) for child in node.children))
    if kind != "TorchOp" or "::" not in node.name:
        return within
    name = _OURS.sub("vitbench::", node.name)
    short = name.removeprefix("aten::")
    if short in VIEWS:
        views[short] += 1
        return within
    if within:
        return True
    operators[_named(short, node.typed[1].inputs)] += 1
    return short not in MOVES


def _named(name: str, inputs: Any) -> str:
    """An operator with the types of the tensors that it takes: `copy_ bfloat16 float32`."""
    return " ".join([name, *sorted(set(_types(inputs)))])


def _types(inputs: Any) -> Iterator[str]:
    for each in inputs:
        if isinstance(each, list):
            yield from _types(each)
        elif hasattr(each, "dtype"):
            yield str(each.dtype).removeprefix("torch.")


def _forget_compiled() -> None:
    """Dynamo's counters begin at 0. What did not import it compiles nothing."""
    if dynamo := sys.modules.get("torch._dynamo"):
        dynamo.reset()
        dynamo.utils.counters.clear()
    if metrics := sys.modules.get("torch._inductor.metrics"):
        metrics.reset()


def _compiled() -> dict[str, int]:
    """Graphs, breaks and recompilations since `_forget_compiled`, in all calls together."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        return {}
    counters = dynamo.utils.counters
    compiled = dynamo.convert_frame.FRAME_COMPILE_COUNTER
    found = {
        "graphs": counters["stats"]["unique_graphs"],
        "breaks": sum(counters["graph_break"].values()),
        "recompilations": sum(count - 1 for count in compiled.values()),
    }
    if metrics := sys.modules.get("torch._inductor.metrics"):
        # Inductor's cache on disk keeps both, and gives them back.
        found["generated kernels"] = metrics.generated_kernel_count
        found["vector kernels"] = metrics.generated_cpp_vec_kernel_count
    return found


def _on_device(events: Any) -> dict[str, Counter[str]]:
    """Kernels by name; copies, and waits of the host. Needs a CUDA device: tests/cuda."""
    kernels, transfers = Counter[str](), Counter[str]()
    for event in events:
        name = event.name()
        if event.device_type().name == "CUDA":
            moves = name.startswith(("Memcpy", "Memset"))
            (transfers if moves else kernels)[name.partition("(")[0] if not moves else name] += 1
        elif "Synchronize" in name and name.startswith("cuda"):
            transfers[name] += 1
    return {"kernels": kernels, "transfers": transfers}
