"""What a generator and its serving processes say to each other over a socket.

A message is a header and a body: the header has its kind, how many rows and columns of float32 the
body has (of JSON: its bytes), and the seconds that answering took.
"""

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUTPUTS, QUERIES, JSON = range(3)
_HEADER = struct.Struct("<BIId")


class HungUp(Exception):  # noqa: N818 - it names what happened
    """The other end closed the socket, as when its process died."""


@dataclass(frozen=True)
class Message:
    kind: int
    rows: int
    seconds: float
    body: Any


def send_json(to: socket.socket, value: Any) -> None:
    data = json.dumps(value).encode()
    to.sendall(_HEADER.pack(JSON, len(data), 0, 0.0) + data)


def send_queries(to: socket.socket, samples: Sequence[int]) -> None:
    """The indices of the samples of one call."""
    data = np.asarray(samples, dtype="<u4").tobytes()
    to.sendall(_HEADER.pack(QUERIES, len(samples), 1, 0.0) + data)


def send_outputs(to: socket.socket, outputs: NDArray[np.float32], seconds: float) -> None:
    """Outputs (N, C) of one call, and the seconds that it took."""
    plain = np.ascontiguousarray(outputs, dtype="<f4")
    rows, columns = plain.shape
    to.sendall(_HEADER.pack(OUTPUTS, rows, columns, seconds) + plain.tobytes())


def receive(from_: socket.socket) -> Message:
    """The next message. Raises HungUp where the other end is gone."""
    kind, rows, columns, seconds = _HEADER.unpack(_exactly(from_, _HEADER.size))
    if kind == JSON:
        return Message(kind, 1, seconds, json.loads(bytes(_exactly(from_, rows))))
    data = _exactly(from_, 4 * rows * columns)
    if kind == QUERIES:
        return Message(kind, rows, seconds, np.frombuffer(data, dtype="<u4"))
    outputs = np.frombuffer(data, dtype="<f4").reshape(rows, columns)
    return Message(kind, rows, seconds, outputs)


def _exactly(from_: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    view, got = memoryview(data), 0
    while got < count:
        try:
            more = from_.recv_into(view[got:])
        except ConnectionError:
            more = 0
        if not more:
            raise HungUp
        got += more
    return data
