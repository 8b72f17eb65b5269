"""Resize, crop and normalize inside OpenVINO's graph: it takes pixels of any size."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.photo.chain import Network
from vitbench.photo.decoders import Pixels
from vitbench.photo.steps import Steps
from vitbench.runtimes import Placement, openvino

MODES = {"bilinear": "bilinear_pillow", "bicubic": "bicubic_pillow"}
PILLOW_CUBE = -0.5
ROWS_AND_COLUMNS = [1, 2]  # of NHWC


def network(placement: Placement, steps: Steps) -> Network:
    """The variant's file with OpenVINO's preprocessor before it, compiled as the variant is.

    Raises Unavailable where OpenVINO has no such interpolation.
    """
    import openvino as ov

    graph = openvino.read(placement.path)
    graph.reshape([1, *placement.image])
    request = openvino.compiled(_with_front(graph, steps), [1, -1, -1, 3], placement)

    def answer(pixels: Pixels) -> NDArray[np.float32]:
        image = np.require(pixels, requirements=["C", "W"])[None]  # a tensor must be writable
        request.set_input_tensor(ov.Tensor(image, shared_memory=True))
        request.infer()
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)

    return answer


def _with_front(graph: Any, steps: Steps) -> Any:
    import openvino as ov
    from openvino.preprocess import PrePostProcessor

    steps.require_colour()
    if steps.resize is not None and steps.interpolation not in MODES:
        raise Unavailable(f"OpenVINO has no {steps.interpolation} interpolation as Pillow's")
    made = PrePostProcessor(graph)
    front = made.input()
    front.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    front.tensor().set_shape([1, -1, -1, 3])
    front.model().set_layout(ov.Layout("NCHW"))
    prepared = front.preprocess()
    prepared.custom(_sizing(steps))
    prepared.convert_element_type(ov.Type.f32)
    if steps.order == "BGR":
        prepared.reverse_channels()
    prepared.mean([mean * steps.scale for mean in steps.mean])
    prepared.scale([std * steps.scale for std in steps.std])
    prepared.convert_layout(ov.Layout("NCHW"))
    return made.build()


def _sizing(steps: Steps) -> Callable[[Any], Any]:
    """Resize and crop as a step of the preprocessor: pixels (1, H, W, 3) to the model's size."""
    from openvino import opset13 as ops

    def whole(values: Any) -> Any:
        return ops.constant(np.array(values, np.int64))

    def apply(image: Any) -> Any:
        size = ops.gather(ops.shape_of(image, "i64"), whole(ROWS_AND_COLUMNS), whole(0))
        if steps.resize is not None:
            if isinstance(steps.resize, tuple):
                size = whole(steps.resize)
            else:
                short = ops.reduce_min(size, whole([0]), keep_dims=True)
                size = ops.divide(ops.multiply(size, whole(steps.resize)), short)
            image = ops.interpolate(
                image, size, MODES[steps.interpolation], "sizes",
                antialias=False, cube_coeff=PILLOW_CUBE, axes=whole(ROWS_AND_COLUMNS),
            )  # fmt: skip
        if steps.crop:
            spare = ops.subtract(size, whole(steps.crop))
            if steps.crop_at == "round":
                half = ops.multiply(ops.convert(spare, "f32"), ops.constant(np.float32(0.5)))
                start = ops.convert(ops.round(half, "half_to_even"), "i64")
            else:
                start = ops.divide(spare, whole(2))
            stop = ops.add(start, whole(steps.crop))
            image = ops.slice(image, start, stop, whole([1, 1]), whole(ROWS_AND_COLUMNS))
        # Else OpenVINO does not know that the size is the model's.
        return ops.reshape(image, whole([1, *steps.image[1:], 3]), special_zero=False).output(0)

    return apply
