"""Requests to one server, each within a time limit, and what is said where there is no answer."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from vitbench.errors import UserError, with_kind
from vitbench.runtimes.endpoint.address import Address, redirected
from vitbench.runtimes.endpoint.protocol import Staged
from vitbench.runtimes.endpoint.transport import TimedResponse, connected, left

SECONDS = 30.0
"""How long a server may take for an answer, unless the option `seconds` says otherwise."""
RECHECK_SECONDS = 2.0
"""How long a server that hung may take to say that it is ready again."""
CHUNK = 2**20
ROOM_BYTES, NUMBER_BYTES = 64 * 2**20, 64
"""An answer may have so many bytes, and so many more for each number that the model answers."""
LOST = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
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
        except (ValueError, KeyError, TypeError, RecursionError):
            said = self.body[:300].decode("utf-8", "replace")
        words = " ".join(str(said).split())
        return words if len(words) <= 300 else f"{words[:297]}..."


class Refused(Exception):  # noqa: N818 - it names what happened
    """A server answers with an error. `of_the_request`: it calls the request a bad one."""

    def __init__(self, sentence: str, of_the_request: bool = False) -> None:
        super().__init__(sentence)
        self.of_the_request = of_the_request


class Client:
    """One connection, which stays open. `name` is what a user calls the server, and `outputs`
    is how many numbers its model answers an image with.

    Every request raises UserError, a sentence, where the server is not there, closes the connection
    without an answer, lets `seconds` pass, redirects, sends what is no HTTP, or far more than was
    asked for. A request on a connection that the server closed meanwhile is sent once more, on a
    new one.
    """

    def __init__(self, address: Address, seconds: float, name: str, outputs: int) -> None:
        self.address, self.seconds, self.name = address, float(seconds), name
        self.outputs = outputs
        self._connection: http.client.HTTPConnection | None = None
        self._hung: str | None = None

    def get(self, path: str) -> Response:
        return self._answered(_Request("GET", path))

    def infer(self, staged: Staged) -> Response:
        """The answer to a request for inference. Raises Refused where it is an error."""
        path, most = self.address.path("infer"), NUMBER_BYTES * staged.batch * self.outputs
        request = _Request("POST", path, staged.body, staged.headers, ROOM_BYTES + most)
        found = self._answered(request)
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

    def _answered(self, request: "_Request") -> Response:
        if self._hung is not None:
            self._require_back(self._hung)
        found = self._asked(request, self.seconds)
        if 300 <= found.status < 400:
            where = redirected(self.address, request.path, found.headers.get("location", ""))
            raise UserError(self.said(f"answered {found.status}: it redirects to {where}"))
        return found

    def _require_back(self, sentence: str) -> None:
        """Raises UserError again where a server that hung is not ready: no case waits for it as
        long as the first one did."""
        try:
            ready = f"{self.address.path()}/health/ready"
            self._asked(_Request("GET", ready), RECHECK_SECONDS)
        except UserError as error:
            self._hung = sentence
            raise UserError(sentence) from error
        self._hung = None

    def _asked(self, request: "_Request", seconds: float) -> Response:
        path = request.path
        while True:
            reused = self._connection is not None
            try:
                return self._sent(request, seconds)
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
            except (http.client.InvalidURL, UnicodeError) as error:
                self.close()
                raise UserError(
                    f"{self.name}: {self.address}: no request can be sent there "
                    f"({with_kind(error)}): correct the URL"
                ) from error
            except http.client.HTTPException as error:
                self.close()
                words = (
                    f"answers, but what it sends is no whole answer of HTTP ({with_kind(error)}): "
                    "is this its port for HTTP, and does nothing between cut its answers?"
                )
                raise UserError(self.said(words, path)) from error
            except (OSError, ValueError) as error:
                self.close()
                reason = getattr(error, "strerror", None) or with_kind(error)
                raise UserError(
                    f"{self.name}: no server answers at {self.address.server} ({reason}): start "
                    "the server, or correct the URL"
                ) from error

    def _sent(self, request: "_Request", seconds: float) -> Response:
        deadline = monotonic() + seconds
        connection = self._connection
        if connection is None:
            connection = connected(self.address, seconds)
            self._connection = connection
        connection.response_class = partial(TimedResponse, deadline=deadline)  # type: ignore[assignment]
        connection.sock.settimeout(left(deadline))
        connection.request(request.method, request.path, request.body, dict(request.headers))
        response = connection.getresponse()
        parts, size = [], 0
        while part := response.read1(CHUNK):
            parts.append(part)
            size += len(part)
            if size > request.most_bytes:
                self.close()
                words = (
                    f"sends an answer of over {request.most_bytes / 2**20:.0f} MiB, and an image "
                    f"has {self.outputs:,} outputs: is it one of this model?"
                )
                raise UserError(self.said(words, request.path))
        if response.length:
            raise ConnectionResetError  # a part of the body is missing
        response.close()  # the connection waits for the next request
        if response.will_close:
            self.close()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, named, b"".join(parts))


@dataclass(frozen=True)
class _Request:
    """What is sent, and how large an answer may be."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = ROOM_BYTES
