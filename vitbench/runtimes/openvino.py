"""OpenVINO: the module's trace as OpenVINO's graph, compiled for each batch size by itself.

The file's batch is free, and its weights are float32 where they are not int8. A graph that is
compiled with a free batch is 5 % slower at batch 1, so the first images of a size compile one.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import openvino_counts, openvino_graph, parts
from vitbench.runtimes.base import Deployment, Operator, Placement, Variant
from vitbench.runtimes.linear_layers import layer_record, linear_names
from vitbench.structure import Counters

HINTS = {"fp32": "f32", "bf16": "bf16"}
# Where a file says how many products of linear layers are float by the recipe.
FLOAT_PRODUCTS = ["vitbench", "float_products"]
PROFILED_CALLS = 5


def version() -> str:
    """OpenVINO's version. Raises Unavailable where it cannot be imported."""
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise Unavailable(f"openvino cannot be imported: {error}") from error
    return f"openvino {openvino.__version__.split('-')[0]}"


def supports(variant: Variant, device: str) -> None:
    """The CPU, which must have bfloat16 where the recipe has: else OpenVINO computes in float32."""
    import openvino

    if device != "cpu":
        raise Unavailable(f"{variant.name} is made for the CPU, not for {device}")
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if hint_of(variant) == "bf16" and "BF16" not in able:
        raise Unavailable("this CPU has no bfloat16 instructions (AVX512-BF16 or AMX)")


def suffix(_: Variant) -> str:
    return ".xml"  # and the weights in a .bin beside it


def build(
    model: Model, variant: Variant, path: Path, calibration: NDArray[np.float32] | None
) -> dict[str, Any] | None:
    import openvino

    module, image = model.module, model.architecture["image"]
    shared = parts.once("OpenVINO graph", module, lambda: openvino_graph.traced(module, image))
    graph = shared.clone()
    record = None
    if variant.precision == "int8" and not variant.transform:
        layers = openvino_graph.linear_layers(graph)
        names = [name for name in linear_names(model.module) if name in layers.values()]
        record = layer_record(model.module, names, variant)
        int8 = record["quantized_names"]
        left = [node for node, layer in layers.items() if layer not in int8]
        left += openvino_graph.fixed(graph)
        graph = openvino_graph.quantized(graph, calibration, left)
        graph.set_rt_info(len(left), FLOAT_PRODUCTS)
    # Weights in float16, the default, would change the numbers.
    openvino.save_model(graph, path, compress_to_fp16=False)
    return record


def load(placement: Placement) -> Deployment:
    """A deployment that compiles the graph when it is given the first images of a batch size."""

    graph = read(placement.path)

    @cache
    def request(batch: int) -> Any:
        return compiled(graph, [batch, *placement.image], placement)

    return deployment(request)


def streams(placement: Placement, count: int) -> list[Deployment]:
    graph = read(placement.path)

    def first(batch: int) -> Any:
        return compiled(graph, [batch, *placement.image], placement, streams=count)

    return in_streams(first, count)


def in_streams(
    first: Callable[[int], Any],
    count: int,
    make: Callable[[NDArray[np.float32]], NDArray[Any]] = lambda images: images,
    answer: int = 0,
) -> list[Deployment]:
    """Of one model for each batch size, compiled under the throughput hint into `count` streams:
    each has a request of its own, which starts without waiting for the others. `first` compiles one
    for a batch size and returns a request of it; the rest is as for `deployment`."""
    compiled_once, lock = cache(first), Lock()

    def of_a_stream(_: int) -> Deployment:
        @cache
        def request(batch: int) -> Any:
            with lock:  # of several that want a size first, one compiles it
                return compiled_once(batch).get_compiled_model().create_infer_request()

        return deployment(request, make, answer, _in_a_stream)

    return [of_a_stream(number) for number in range(count)]


def _in_a_stream(request: Any) -> None:
    request.start_async()
    request.wait()


def deployment(
    request: Callable[[int], Any],
    make: Callable[[NDArray[np.float32]], NDArray[Any]] = lambda images: images,
    answer: int = 0,
    infer: Callable[[Any], Any] = lambda request: request.infer(),
) -> Deployment:
    """Of `request`, which takes a batch size to an inference request; `make` makes of images what
    the graph takes, and `answer` is the number of its output."""
    import openvino

    def stage(images: NDArray[np.float32]) -> Any:
        taken = make(images)
        # The array too: the tensor has its memory.
        return request(len(images)), openvino.Tensor(taken, shared_memory=True), taken

    def call(staged: Any) -> Any:
        made, images, _ = staged
        made.set_input_tensor(images)
        infer(made)
        return made.get_output_tensor(answer)

    def read(output: Any) -> NDArray[np.float32]:
        return np.array(output.data, dtype=np.float32)

    return Deployment(stage, call, read)


def operators(placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
    graph = read(placement.path)
    return profiled(compiled(graph, list(images.shape), placement, profile=True), images)


def structure(placement: Placement, images: NDArray[np.float32]) -> Counters:
    request = compiled(read(placement.path), list(images.shape), placement)
    return openvino_counts.counted(request.get_compiled_model())


def profiled(request: Any, images: NDArray[Any]) -> list[Operator]:
    """By OpenVINO's counters: its kinds of layer, each with the kernel and precision it ran in."""
    import openvino

    request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
    seconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for number in range(-2, PROFILED_CALLS):
        request.infer()
        for layer in request.profiling_info if number >= 0 else ():
            if layer.status == openvino.ProfilingInfo.Status.EXECUTED:
                name = f"{layer.node_type} {layer.exec_type}"
                seconds[name] += layer.real_time.total_seconds()
                calls[name] += 1
    return [
        Operator(name, seconds[name] / PROFILED_CALLS, count / PROFILED_CALLS)
        for name, count in calls.items()
    ]


def loading_code(placement: Placement) -> str:
    shape, hint = [1, *placement.image], hint_of(placement.variant)
    return f"""import openvino
core = openvino.Core()
graph = core.read_model({str(placement.path)!r})  # and its weights, in the .bin beside it
graph.reshape({shape})  # faster than a free batch
model = core.compile_model(graph, "CPU", {{"INFERENCE_PRECISION_HINT": {hint!r}}})
# logits = model(images)[0], images a float32 NumPy array of that shape"""


def calling_code(_: Variant, images: str) -> list[str]:
    return [f"logits = model({images})[0]"]


def read(path: Path) -> Any:
    import openvino

    return openvino.Core().read_model(path)


def compiled(
    graph: Any, shape: list[int], placement: Placement, profile: bool = False, streams: int = 1
) -> Any:
    """An inference request of the graph, compiled for images of a shape; with several `streams`
    for so many requests at a time, of the placement's threads each.

    Raises RuntimeError where what would execute is not what the recipe says.
    """
    import openvino

    fixed, hint = graph.clone(), hint_of(placement.variant)
    fixed.reshape(shape)
    made = openvino.Core().compile_model(
        fixed,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * placement.threads,
            # Else LATENCY leaves the second logical processor of each core out of the count.
            "ENABLE_HYPER_THREADING": True,
            # Two processes that pin their threads would meet on the same cores.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": hint,
            "PERF_COUNT": profile,
        },
    )
    used = made.get_property("INFERENCE_PRECISION_HINT").to_string()
    if used != hint:
        raise RuntimeError(f"OpenVINO computes in {used}, not in {hint} as the recipe says")
    brought = placement.variant.artifact or placement.variant.transform
    if placement.variant.precision == "int8" and not brought:
        layers = [each.get_rt_info() for each in made.get_runtime_model().get_ops()]
        linear = [
            layer["primitiveType"].astype(str).lower()
            for layer in layers
            if layer["layerType"].astype(str).startswith("FullyConnected")
        ]
        kept = sum(kernel.endswith("i8") for kernel in linear)
        left = int(graph.get_rt_info(FLOAT_PRODUCTS).astype(int))
        if not kept or kept < len(linear) - left:
            raise RuntimeError(f"{kept} of {len(linear)} linear layers are int8 once compiled")
    return made.create_infer_request()


def hint_of(variant: Variant) -> str:
    """OpenVINO's name of the precision of all that is not int8."""
    return HINTS.get(variant.options.get("rest", variant.precision), "f32")
