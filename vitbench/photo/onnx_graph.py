"""Resize, crop and normalize as operators of ONNX before a network's own: pixels of any size."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.photo.chain import Network
from vitbench.photo.decoders import Pixels
from vitbench.photo.steps import Steps
from vitbench.runtimes import Placement, onnxruntime
from vitbench.runtimes.onnx_graph import INPUT, OUTPUT

MODES = {"bilinear": "linear", "bicubic": "cubic"}
PILLOW_CUBE = -0.5
PIXELS = "photo"


def network(placement: Placement, steps: Steps) -> Network:
    """The variant's file with operators for the steps before it, in a session as the variant's.

    Raises Unavailable where ONNX has no such interpolation.
    """
    import onnx
    import onnxruntime as ort

    proto = onnx.load(placement.path)
    _put_before(proto, steps)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "with-front.onnx"
        onnx.save(proto, file)
        settings = onnxruntime.options(placement.threads)
        session = ort.InferenceSession(file, settings, providers=[onnxruntime.PROVIDERS["cpu"]])

    def answer(pixels: Pixels) -> NDArray[np.float32]:
        found = session.run([OUTPUT], {PIXELS: np.ascontiguousarray(pixels)})[0]
        return np.asarray(found, dtype=np.float32)

    return answer


def _put_before(proto: Any, steps: Steps) -> None:
    """Changes the graph, whose input becomes uint8 (H, W, 3)."""
    from onnx import TensorProto, helper

    steps.require_colour()
    if steps.resize is not None and steps.interpolation not in MODES:
        raise Unavailable(f"ONNX has no {steps.interpolation} interpolation as Pillow's")
    front = _Front()
    size = front.add("Shape", PIXELS, start=0, end=2)
    image = front.add("Transpose", PIXELS, perm=[2, 0, 1])
    image = front.add("Unsqueeze", image, front.whole([0]))
    if steps.resize is not None:
        if isinstance(steps.resize, tuple):
            size = front.whole(steps.resize)
        else:
            short = front.add("ReduceMin", size, keepdims=1)
            size = front.add("Div", front.add("Mul", size, front.whole([steps.resize])), short)
        sizes = front.add("Concat", front.whole([1, 3]), size, axis=0)
        image = front.add(
            "Resize", image, "", "", sizes, mode=MODES[steps.interpolation], antialias=1,
            cubic_coeff_a=PILLOW_CUBE, coordinate_transformation_mode="half_pixel",
        )  # fmt: skip
    if steps.crop:
        spare = front.add("Sub", size, front.whole(steps.crop))
        if steps.crop_at == "round":
            half = front.add("Cast", spare, to=TensorProto.FLOAT)
            half = front.add(
                "Round", front.add("Mul", half, front.float32(np.array([0.5], np.float32)))
            )
            start = front.add("Cast", half, to=TensorProto.INT64)
        else:
            start = front.add("Div", spare, front.whole([2]))
        stop = front.add("Add", start, front.whole(steps.crop))
        image = front.add("Slice", image, start, stop, front.whole([2, 3]))
    if steps.order == "BGR":
        image = front.add("Gather", image, front.whole([2, 1, 0]), axis=1)
    image = front.add("Cast", image, to=TensorProto.FLOAT)
    image = front.add("Mul", image, front.float32(steps.factor))
    front.add("Add", image, front.float32(steps.offset), output=INPUT)
    graph = proto.graph
    own = list(graph.node)
    del graph.node[:]
    graph.node.extend([*front.nodes, *own])
    graph.initializer.extend(front.constants)
    kept = [each for each in graph.input if each.name != INPUT]
    del graph.input[:]
    pixels = helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["height", "width", 3])
    graph.input.extend([pixels, *kept])


class _Front:
    """Operators and constants, whose names begin as no others do."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """An operator. Returns the name of its output."""
        from onnx import helper

        name = output or f"{PIXELS}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def whole(self, values: Any) -> str:
        return self._constant(np.array(values, np.int64))

    def float32(self, values: NDArray[np.float32]) -> str:
        return self._constant(values)

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"{PIXELS}.constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name
