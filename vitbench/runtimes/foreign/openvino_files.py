"""OpenVINO's IR (.xml and .bin) and ONNX files, in OpenVINO."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.runtimes import openvino, openvino_counts
from vitbench.runtimes.base import Deployment, Operator, Placement
from vitbench.runtimes.foreign import onnx_files
from vitbench.runtimes.foreign.description import Description, described
from vitbench.runtimes.foreign.feed import Feed, feed
from vitbench.runtimes.foreign.opened import Opened, Output, Port
from vitbench.structure import Counters

endings: tuple[str, ...] = (".xml", ".onnx")
TYPES = {"f32": "float32", "f16": "float16", "u8": "uint8"}


def files(path: Path) -> list[Path]:
    if path.suffix == ".onnx":
        return onnx_files.files(path)
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise UserError(
            f"{path.name} has its weights in {weights.name}, which is missing beside it"
        )
    return [path, weights]


def sniff(path: Path) -> None:
    if path.suffix == ".xml" and b"<net" not in path.read_bytes()[:4096]:
        raise UserError(f"{path.name} is no IR of OpenVINO: it has no <net>")


def open(placement: Placement) -> Opened:
    graph = openvino.read(placement.path)
    inputs = [_port(each) for each in graph.inputs]
    outputs = [_name(each, number) for number, each in enumerate(graph.outputs)]

    def answers(array: NDArray[Any]) -> Mapping[Output, NDArray[Any]]:
        request = openvino.compiled(graph, list(array.shape), placement)
        found = request.infer([array])
        return {name: np.array(found[number]) for number, name in enumerate(outputs)}

    def deploy(make: Feed, output: Output) -> Deployment:
        found = described(placement.variant.input, placement.variant.name)

        @cache
        def request(batch: int) -> Any:
            shape = _shape(found, placement.image, batch)
            return openvino.compiled(graph, shape, placement)

        return openvino.deployment(request, make, outputs.index(str(output)))

    return Opened(inputs, answers, deploy)


def streams(placement: Placement, count: int) -> list[Deployment]:
    graph = openvino.read(placement.path)
    found = described(placement.variant.input, placement.variant.name)
    make = feed(found, placement.image, placement.path.name)
    outputs = [_name(each, number) for number, each in enumerate(graph.outputs)]

    def first(batch: int) -> Any:
        shape = _shape(found, placement.image, batch)
        return openvino.compiled(graph, shape, placement, streams=count)

    return openvino.in_streams(first, count, make, outputs.index(str(found.output or 0)))


def _port(each: Any) -> Port:
    shape = each.get_partial_shape()
    known = None
    if shape.rank.is_static:
        known = tuple(n.get_length() if n.is_static else None for n in shape)
    kind = each.get_element_type().get_type_name()
    return Port(_name(each, 0), known, TYPES.get(kind, kind))


def _name(each: Any, number: int) -> str:
    """The first name of a port in the order of letters; its number where it has none."""
    return min(each.get_names(), default=str(number))


def _shape(found: Description, image: tuple[int, int, int], batch: int) -> list[int]:
    channels, height, width = image[0], *(found.size or image[1:])
    if found.layout == "NHWC":
        return [batch, height, width, channels]
    return [batch, channels, height, width]


def operators(placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
    found = described(placement.variant.input, placement.variant.name)
    array = feed(found, placement.image, placement.path.name)(images)
    graph = openvino.read(placement.path)
    return openvino.profiled(
        openvino.compiled(graph, list(array.shape), placement, profile=True), array
    )


def structure(placement: Placement, images: NDArray[np.float32]) -> Counters:
    found = described(placement.variant.input, placement.variant.name)
    shape = _shape(found, placement.image, len(images))
    request = openvino.compiled(openvino.read(placement.path), shape, placement)
    return openvino_counts.counted(request.get_compiled_model())


def loading_code(placement: Placement) -> str:
    found, hint = described(placement.variant.input, ""), openvino.hint_of(placement.variant)
    shape = _shape(found, placement.image, found.batch or 1)
    return f"""import openvino
core = openvino.Core()
graph = core.read_model({str(placement.path)!r})  # and its weights beside it
graph.reshape({shape})  # faster than a free batch
model = core.compile_model(graph, "CPU", {{"INFERENCE_PRECISION_HINT": {hint!r}}})"""


def calling_code(_: Placement, output: Output) -> list[str]:
    return [f"logits = model(images)[{str(output)!r}].astype(np.float32)"]
