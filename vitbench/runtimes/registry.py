"""The table of runtimes. A new one is a module and a line here."""

from collections.abc import Mapping

from vitbench.runtimes import (
    aot_inductor,
    eager,
    executorch,
    inductor,
    lite,
    onnxruntime,
    openvino,
    torchscript,
    tuned,
)
from vitbench.runtimes.base import Runtime

RUNTIMES: Mapping[str, Runtime] = {
    "eager": eager,
    "torchscript": torchscript,
    "lite": lite,
    "inductor": inductor,
    "aot_inductor": aot_inductor,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "executorch": executorch,
    "tuned": tuned,
}
