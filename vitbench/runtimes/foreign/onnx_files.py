"""ONNX files, with their weights inside or in files beside them, in ONNX Runtime."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable, UserError
from vitbench.runtimes import onnxruntime
from vitbench.runtimes.base import Deployment, Operator, Placement
from vitbench.runtimes.foreign.description import described
from vitbench.runtimes.foreign.feed import Feed, feed
from vitbench.runtimes.foreign.opened import Opened, Output, Port
from vitbench.structure import Counters

endings: tuple[str, ...] = (".onnx",)
TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


def files(path: Path) -> list[Path]:
    """The file, and those that hold its weights."""
    try:
        from onnx import external_data_helper, load
    except (ImportError, OSError) as error:
        raise Unavailable(f"onnx cannot be imported: {error}") from error
    try:
        graph = load(path, load_external_data=False)
    except Exception as error:  # of protobuf, for whatever bytes it was given
        raise UserError(f"{path.name} is no ONNX file, or was cut off: build it again") from error
    if not graph.graph.node:
        raise UserError(f"{path.name} is no ONNX file: it has no graph")
    names = dict[str, None]()
    for tensor in external_data_helper._get_all_tensors(graph):
        if external_data_helper.uses_external_data(tensor):
            info = external_data_helper.ExternalDataInfo(tensor)
            names[info.location] = None
    found = [path]
    for name in names:
        file = path.parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise UserError(f"{path.name} has weights in {name}, outside of its folder: save it "
                            "with onnx.save(model, path, save_as_external_data=True)")  # fmt: skip
        if not file.is_file():
            raise UserError(
                f"{path.name} has weights in {name}, and {name} is missing beside it: copy both"
            )
        found.append(file)
    return found


def sniff(path: Path) -> None:
    files(path)


def open(placement: Placement) -> Opened:
    session = onnxruntime.opened(placement, onnxruntime.options(placement.threads))
    inputs = [_port(each) for each in session.get_inputs()]
    outputs = [each.name for each in session.get_outputs()]

    def answers(array: NDArray[Any]) -> Mapping[Output, NDArray[Any]]:
        found = session.run(outputs, {inputs[0].name: array})
        return dict(zip(outputs, found, strict=True))

    def deploy(make: Feed, output: Output) -> Deployment:
        return _deployed(session, placement.device, inputs[0].name, make, output)

    return Opened(inputs, answers, deploy)


def _port(each: Any) -> Port:
    shape = tuple(n if isinstance(n, int) and n > 0 else None for n in each.shape)
    return Port(each.name, shape, TYPES.get(each.type, each.type))


def _deployed(session: Any, device: str, name: str, make: Feed, output: Output) -> Deployment:
    import onnxruntime as library

    kind, _, number = device.partition(":")
    plain = onnxruntime.deployment(session, device, name, str(output))

    def stage(images: NDArray[np.float32]) -> Any:
        return library.OrtValue.ortvalue_from_numpy(make(images), kind, int(number or 0))

    return replace(plain, stage=stage)


def streams(placement: Placement, count: int) -> list[Deployment]:
    deploy = _deploying(placement)
    return [deploy(each, placement.device) for each in onnxruntime.sessions(placement, count)]


def operators(placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
    return onnxruntime.profiled(placement, images, _deploying(placement))


def structure(placement: Placement, images: NDArray[np.float32]) -> Counters:
    return onnxruntime.counted(placement, images, _deploying(placement))


def _deploying(placement: Placement) -> Callable[[Any, str], Deployment]:
    """What makes the Deployment of a session of this file, on a device."""
    found = described(placement.variant.input, placement.variant.name)
    make = feed(found, placement.image, placement.path.name)

    def deploy(session: Any, device: str) -> Deployment:
        name = session.get_inputs()[0].name
        return _deployed(session, device, name, make, found.output or 0)

    return deploy


def loading_code(placement: Placement) -> str:
    return f"""import onnxruntime
options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
file = {str(placement.path)!r}
session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
def model(images):  # as the file takes them
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {{session.get_inputs()[0].name: images}})))"""


def calling_code(_: Placement, output: Output) -> list[str]:
    return [f"logits = model(images)[{output!r}].astype(np.float32)"]
