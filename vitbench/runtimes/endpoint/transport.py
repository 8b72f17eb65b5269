"""A connection by HTTP whose answers are read until a deadline, however slowly they drip."""

import http.client
import io
import socket
from time import monotonic
from typing import Any

from vitbench.runtimes.endpoint.address import Address


def connected(address: Address, seconds: float) -> http.client.HTTPConnection:
    """A new connection. Raises OSError where there is none within `seconds`."""
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=seconds)
    connection.connect()
    return connection


def left(deadline: float) -> float:
    """Seconds until then. Raises TimeoutError where it has passed."""
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class TimedResponse(http.client.HTTPResponse):
    """An answer of which no byte is waited for after `deadline`: neither of its headers, nor of the
    lines between its chunks."""

    def __init__(self, sock: socket.socket, *given: Any, deadline: float, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        self.fp.close()
        self.fp = io.BufferedReader(_Until(sock, deadline))


class _Until(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
