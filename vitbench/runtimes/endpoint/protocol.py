"""Messages of the Open Inference Protocol v2: what is asked, and what an answer holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError, with_kind
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
NONE_OF_IT = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What an answer raises that is none of the protocol: another object, or numbers beyond any."""
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
        if not 0 <= length <= len(answer.body):
            raise UserError(
                f"{where}: its answer has {len(answer.body):,} bytes, and its header {LENGTH} says "
                f"{length:,}"
            )
        told, rest = json.loads(answer.body[:length]), memoryview(answer.body)[length:]
        found: Tensors = {}
        for tensor in told["outputs"]:
            name = tensor["name"]
            if name in found:
                raise UserError(f"{where}: its answer has two outputs of the name {name!r}")
            found[name], size = _tensor(tensor, rest, where)
            rest = rest[size:]
        if len(rest):
            raise UserError(f"{where}: its answer has {len(rest):,} bytes that belong to no output")
    except NONE_OF_IT as error:
        raise UserError(
            f"{where}: its answer is none of the Open Inference Protocol v2 ({with_kind(error)})"
        ) from error
    return found


def numbers(tensors: Tensors, output: str | int | None, where: str) -> Tensors:
    """The tensors without those of text. Raises UserError where that is all, or `output` is one."""
    texts = [name for name, each in tensors.items() if each.dtype == object]
    if texts and (output in texts or len(texts) == len(tensors)):
        name = output if output in texts else texts[0]
        raise UserError(
            f"{where}: its output {name!r} is BYTES, and vitbench needs the numbers that the model "
            "answers: deploy it with an output of them, such as FP32"
        )
    return {name: each for name, each in tensors.items() if name not in texts}


def _tensor(tensor: Mapping[str, Any], rest: memoryview, where: str) -> tuple[NDArray[Any], int]:
    """An output, and how many of the bytes that follow the JSON are its own."""
    name, datatype, shape = tensor["name"], tensor["datatype"], tensor["shape"]
    if datatype != "BYTES" and datatype not in NUMPY:
        raise UserError(
            f"{where}: its output {name!r} is of the datatype {datatype!r}, which the Open "
            "Inference Protocol v2 does not have"
        )
    size = (tensor.get("parameters") or {}).get("binary_data_size")
    if size is None:
        return _numbers(tensor["data"], datatype).reshape(shape), 0
    if not isinstance(size, int) or not 0 <= size <= len(rest):
        raise UserError(
            f"{where}: its output {name!r} has a binary_data_size of {size!r}, and {len(rest):,} "
            "bytes are left of the answer"
        )
    if datatype == "BYTES":  # nobody reads them; each has four bytes of its length
        if not 0 <= 4 * prod(shape) <= size:
            raise ValueError(f"{size} bytes hold no {shape} texts")
        return np.empty(shape, dtype=object), size
    return _floats(np.frombuffer(rest[:size], NUMPY[datatype]), tensor).reshape(shape), size


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
