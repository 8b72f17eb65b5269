"""ONNX Runtime: a graph from `onnx_graph`, which each session optimises again for its device.

A session fuses what it can (GELU with its bias, quantization with the product that follows) and
lays weights out anew. Where it cannot run on the device that was asked for, it would run on the
CPU: here that is an error.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import onnx_counts, onnx_graph
from vitbench.runtimes.base import Deployment, Operator, Placement, Variant
from vitbench.runtimes.linear_layers import layer_record, linear_names, quantized
from vitbench.structure import Counters

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
WARM_CALLS, PROFILED_CALLS = 2, 5


def version() -> str:
    """onnxruntime's version. Raises Unavailable where it cannot be imported."""
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise Unavailable(f"onnxruntime cannot be imported: {error}") from error
    return f"onnxruntime {onnxruntime.__version__}"


def supports(variant: Variant, device: str) -> None:
    """Whether the recipe is meant for the device, and this build has its execution provider."""
    import onnxruntime

    kind = device.split(":")[0]
    if kind not in variant.devices:
        raise Unavailable(f"{variant.name} is made for the CPU, not for {device}")
    if PROVIDERS[kind] not in onnxruntime.get_available_providers():
        raise Unavailable(
            f"this build of onnxruntime has no {PROVIDERS[kind]}: install onnxruntime-gpu instead"
        )


def suffix(_: Variant) -> str:
    return ".onnx"


def build(
    model: Model, variant: Variant, path: Path, calibration: NDArray[np.float32] | None
) -> dict[str, Any] | None:
    module, image = model.module, model.architecture["image"]
    if "quantization" not in variant.options:
        onnx_graph.write(module, image, path)
        return None
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        layers = onnx_graph.write(module, image, plain)
        names = [name for name in linear_names(module) if name in layers.values()]
        int8 = {*quantized(names, variant)}
        left = [node for node, layer in layers.items() if layer not in int8]
        onnx_graph.quantize(plain, path, calibration, left)
    return layer_record(module, names, variant)


def options(threads: int) -> Any:
    """Of a session, the same whatever file it reads."""
    import onnxruntime

    found = onnxruntime.SessionOptions()
    found.intra_op_num_threads = threads
    found.inter_op_num_threads = 1
    found.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    found.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # A thread that spins takes a core from those that compute wherever another program has one too:
    # calls took up to twice as long. On cores of one's own, sleeping at once costs 3 to 5 %.
    found.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return found


def opened(placement: Placement, settings: Any) -> Any:
    """The session of a file, with `options`. Raises Unavailable where it would not run on the
    device."""
    import onnxruntime

    kind, _, number = placement.device.partition(":")
    provider: dict[str, Any] = {}
    if kind == "cuda":
        onnxruntime.preload_dlls()  # CUDA's libraries where pip installed them
        provider = {
            "device_id": int(number or 0),
            "use_tf32": 0,  # its default is 1: products with ten bits of precision
            "cudnn_conv_algo_search": "HEURISTIC",  # timed, another load may choose another
        }
    session = onnxruntime.InferenceSession(
        placement.path, settings, providers=[(PROVIDERS[kind], provider)], enable_fallback=0
    )
    if (used := session.get_providers()[0]) != PROVIDERS[kind]:
        raise Unavailable(
            f"onnxruntime-gpu fell back to {used}: {PROVIDERS[kind]} did not start; "
            "install the CUDA and cuDNN that it was built for"
        )
    return session


def load(placement: Placement) -> Deployment:
    """Images and logits lie on the device; a call returns when the device is done."""
    session = opened(placement, options(placement.threads))
    return deployment(session, placement.device)


def streams(placement: Placement, count: int) -> list[Deployment]:
    return [deployment(each, placement.device) for each in sessions(placement, count)]


def sessions(placement: Placement, count: int) -> list[Any]:
    """Of so many streams. A session takes calls of several threads: where each call has one thread,
    its caller's computes, and one session is that of all; else each has one, with own threads."""
    needed = count if placement.threads > 1 else 1
    found = [opened(placement, options(placement.threads)) for _ in range(needed)]
    return [found[number % needed] for number in range(count)]


def deployment(
    session: Any, device: str, name: str = onnx_graph.INPUT, answer: str = onnx_graph.OUTPUT
) -> Deployment:
    """Of a session whose input and output have these names."""
    import onnxruntime

    kind, _, number = device.partition(":")
    place = kind, int(number or 0)

    def stage(images: NDArray[np.float32]) -> Any:
        return onnxruntime.OrtValue.ortvalue_from_numpy(images, *place)

    def call(images: Any) -> Any:
        binding = session.io_binding()
        binding.bind_ortvalue_input(name, images)
        binding.bind_output(answer, *place)
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return binding.get_outputs()[0]

    def read(output: Any) -> NDArray[np.float32]:
        return np.array(output.numpy(), dtype=np.float32)

    return Deployment(stage, call, read)


def operators(placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
    return profiled(placement, images, deployment)


def profiled(
    placement: Placement, images: NDArray[np.float32], deploy: Callable[[Any, str], Deployment]
) -> list[Operator]:
    """By ONNX Runtime's own profiler: operators of the graph that is left after optimisation.

    `deploy` makes the Deployment of a session on a device.
    """
    device = placement.device
    if device != "cpu":
        raise Unavailable(f"onnxruntime's profiler times what is launched on {device}, not its end")
    microseconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    profiling = options(placement.threads)
    for event in _nodes(placement, images, deploy, profiling, PROFILED_CALLS):
        name = event["args"]["op_name"]
        microseconds[name] += event["dur"]
        calls[name] += 1
    return [
        Operator(name, microseconds[name] * 1e-6 / PROFILED_CALLS, count / PROFILED_CALLS)
        for name, count in calls.items()
    ]


def structure(placement: Placement, images: NDArray[np.float32]) -> Counters:
    return counted(placement, images, deployment)


def counted(
    placement: Placement, images: NDArray[np.float32], deploy: Callable[[Any, str], Deployment]
) -> Counters:
    """As `profiled`, of one call and without its times; on every device."""
    settings = options(placement.threads)
    settings.log_severity_level = 3  # it warns that the optimised file suits this kind of CPU only
    with TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        settings.optimized_model_filepath = str(optimised)
        nodes = _nodes(placement, images, deploy, settings, 1)
        return onnx_counts.counted(nodes, optimised, placement.path)


def _nodes(
    placement: Placement,
    images: NDArray[np.float32],
    deploy: Callable[[Any, str], Deployment],
    settings: Any,
    calls: int,
) -> list[dict[str, Any]]:
    """The profiler's events of nodes in the last `calls` calls of a session with these settings."""
    with TemporaryDirectory() as folder:
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(folder) / "profile")
        session = opened(placement, settings)
        made = deploy(session, placement.device)
        staged = made.stage(images)
        for _ in range(WARM_CALLS + calls):
            made(staged)
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    start = sorted(each["ts"] for each in events if each["name"] == "model_run")[WARM_CALLS]
    return [each for each in events if each.get("cat") == "Node" and each["ts"] >= start]


def loading_code(placement: Placement) -> str:
    file = str(placement.path)
    return f"""import onnxruntime
options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession({file!r}, options, providers=["CPUExecutionProvider"])
def model(images):  # a float32 NumPy array
    return session.run(["logits"], {{"images": images}})[0]"""


def calling_code(_: Variant, images: str) -> list[str]:
    return [f"logits = model({images})"]
