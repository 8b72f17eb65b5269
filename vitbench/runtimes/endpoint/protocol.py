"""Messages of the Open Inference Protocol v2: what is asked, and what an answer holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.runtimes.foreign.opened import Port

if TYPE_CHECKING:
    from vitbench.runtimes.endpoint.client import Response

DATATYPES = {"float32": "FP32", "float16": "FP16", "bfloat16": "BF16", "uint8": "UINT8"}
"""The protocol's names of what a description of images may be."""
NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BF16": "<u2",
}  # fmt: skip
LENGTH = "inference-header-content-length"
"""The header that says where the JSON of a body ends and binary tensors begin."""
Tensors = dict[str | int, NDArray[Any]]


@dataclass(frozen=True)
class Staged:
    """A request that is ready to be sent, of so many images."""

    body: bytes
    headers: Mapping[str, str]
    batch: int


def encoded(
    array: NDArray[np.generic], name: str, datatype: str, binary: bool, output: str | None
) -> Staged:
    """A request with one input. Of the outputs the one that is named is asked for, else all."""
    tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype}
    request: dict[str, Any] = {"inputs": [tensor]}
    if output is not None:
        asked: dict[str, Any] = {"name": output}
        request["outputs"] = [asked | ({"parameters": {"binary_data": True}} if binary else {})]
    if not binary:
        tensor["data"] = array.ravel().tolist()
        body = json.dumps(request, separators=(",", ":")).encode()
        return Staged(body, {"Content-Type": "application/json"}, len(array))
    raw = _raw(array, datatype)
    tensor["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps(request, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
    return Staged(head + raw, headers, len(array))


def _raw(array: NDArray[np.generic], datatype: str) -> bytes:
    """Little-endian and row by row. bfloat16 is float32 here, rounded to the nearest even."""
    if datatype == "BF16":
        bits = np.ascontiguousarray(array, "<f4").view("<u4")
        return bytes(((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes())
    return bytes(np.ascontiguousarray(array, NUMPY[datatype]).tobytes())


def decoded(answer: "Response", where: str) -> Tensors:
    """The tensors of an answer, by name. Raises UserError, which `where` begins, where the body is
    none of the protocol."""
    try:
        length = int(answer.headers.get(LENGTH, len(answer.body)))
        told, rest = json.loads(answer.body[:length]), memoryview(answer.body)[length:]
        found: Tensors = {}
        for tensor in told["outputs"]:
            size = (tensor.get("parameters") or {}).get("binary_data_size")
            if size is None:
                values = _numbers(tensor["data"], tensor["datatype"])
            else:
                values = _floats(np.frombuffer(rest[:size], NUMPY[tensor["datatype"]]), tensor)
                rest = rest[size:]
            found[tensor["name"]] = values.reshape(tensor["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{where}: its answer is none of the Open Inference Protocol v2 "
            f"({type(error).__name__}: {error})"
        ) from error
    return found


def _numbers(data: Any, datatype: str) -> NDArray[Any]:
    """Of JSON, where null stands for what is no number."""
    if datatype == "BYTES":
        return np.array(data, dtype=object)
    values = np.array(data, dtype=np.float64 if datatype in ("FP64", "INT64") else np.float32)
    return values.ravel()


def _floats(values: NDArray[Any], tensor: Mapping[str, Any]) -> NDArray[Any]:
    if tensor["datatype"] == "BF16":
        return (values.astype("<u4") << 16).view("<f4")
    return values


def port_of(tensor: Any) -> Port:
    """An input of a model's metadata: -1 is a free dimension."""
    names = {value: name for name, value in DATATYPES.items()}
    try:
        shape = tuple(None if size < 0 else int(size) for size in tensor["shape"])
        datatype = tensor["datatype"]
        return Port(tensor["name"], shape or None, names.get(datatype, datatype))
    except (KeyError, TypeError) as error:
        raise UserError(f"the metadata of a model has an input that is none: {tensor!r}") from error
