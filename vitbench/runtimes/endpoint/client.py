"""Requests to one server, each within a time limit, and what is said where there is no answer."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from vitbench.errors import UserError
from vitbench.runtimes.endpoint.address import Address
from vitbench.runtimes.endpoint.protocol import Staged

SECONDS = 30.0
"""How long a server may take for an answer, unless the option `seconds` says otherwise."""
RECHECK_SECONDS = 2.0
"""How long a server that hung may take to say that it is ready again."""
CHUNK = 2**20
LOST = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, http.client.BadStatusLine)
"""How a connection ends that the server closed."""


@dataclass(frozen=True)
class Response:
    """The body of an answer, and its headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """What a server says of a request that it refuses, on one line."""
        try:
            said = json.loads(self.body)["error"]
        except (ValueError, KeyError, TypeError):
            said = self.body[:300].decode("utf-8", "replace")
        words = " ".join(str(said).split())
        return words if len(words) <= 300 else f"{words[:297]}..."


class Refused(Exception):  # noqa: N818 - it names what happened
    """A server answers with an error. `of_the_request`: it calls the request a bad one."""

    def __init__(self, sentence: str, of_the_request: bool = False) -> None:
        super().__init__(sentence)
        self.of_the_request = of_the_request


class Client:
    """One connection, which stays open. `name` is what a user calls the server.

    Every request raises UserError, a sentence, where the server is not there, closes the connection
    or lets `seconds` pass. A request on a connection that the server closed meanwhile is sent once
    more, on a new one.
    """

    def __init__(self, address: Address, seconds: float, name: str) -> None:
        self.address, self.seconds, self.name = address, float(seconds), name
        self._connection: http.client.HTTPConnection | None = None
        self._hung: str | None = None

    def get(self, path: str) -> Response:
        return self._answered("GET", path, None, {})

    def infer(self, staged: Staged) -> Response:
        """The answer to a request for inference. Raises Refused where it is an error."""
        path = self.address.path("infer")
        found = self._answered("POST", path, staged.body, staged.headers)
        if found.status != http.client.OK:
            bad = found.status in (http.client.BAD_REQUEST, http.client.UNPROCESSABLE_ENTITY)
            raise Refused(self.said(f"answered {found.status}: {found.error}", path), bad)
        return found

    def said(self, what: str, path: str = "") -> str:
        """A sentence on the server, which begins with the name and the URL."""
        return f"{self.name}: {self.address.server}{path} {what}"

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answered(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Response:
        if self._hung is not None:
            self._require_back(self._hung)
        return self._asked(method, path, body, headers, self.seconds)

    def _require_back(self, sentence: str) -> None:
        """Raises UserError again where a server that hung is not ready: no case waits for it as
        long as the first one did."""
        try:
            self._asked("GET", f"{self.address.path()}/health/ready", None, {}, RECHECK_SECONDS)
        except UserError as error:
            self._hung = sentence
            raise UserError(sentence) from error
        self._hung = None

    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Response:
        while True:
            reused = self._connection is not None
            try:
                return self._sent(method, path, body, headers, seconds)
            except LOST as error:
                self.close()
                if not reused:
                    words = "closed the connection without an answer: did the server die?"
                    raise UserError(self.said(words, path)) from error
            except TimeoutError as error:
                self.close()
                self._hung = self.said(
                    f"gave no answer within {seconds:g} s: the server hangs, or needs more time "
                    "(the option seconds)",
                    path,
                )
                raise UserError(self._hung) from error
            except (OSError, http.client.HTTPException) as error:
                self.close()
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise UserError(
                    f"{self.name}: no server answers at {self.address.server} ({reason}): start "
                    "the server, or correct the URL"
                ) from error

    def _sent(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Response:
        deadline = monotonic() + seconds
        connection = self._connection
        if connection is None:
            kind = (
                http.client.HTTPSConnection
                if self.address.scheme == "https"
                else http.client.HTTPConnection
            )
            connection = kind(self.address.host, self.address.port, timeout=seconds)
            connection.connect()
            self._connection = connection
        sock = connection.sock

        def wait() -> None:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)

        wait()
        connection.request(method, path, body, dict(headers))
        wait()
        response = connection.getresponse()
        parts = []
        while part := response.read1(CHUNK):
            parts.append(part)
            wait()
        if response.length:
            raise ConnectionResetError  # a part of the body is missing
        response.close()  # the connection waits for the next request
        if response.will_close:
            self.close()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, named, b"".join(parts))
