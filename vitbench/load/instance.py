"""The generator's end of one serving process, and of its lanes."""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO, Any

import psutil

from vitbench.build.ask import last_line, signal_name
from vitbench.errors import ACROSS_PROCESSES, WorkerFailed
from vitbench.load.wire import OUTPUTS, HungUp, Message, receive, send_json, send_queries

COMMAND = (sys.executable, "-P", "-m", "vitbench.load.serve")
GRACE_SECONDS = 2.0


@contextmanager
def _pinned(cores: Sequence[int]) -> Iterator[None]:
    """A process that is started within it begins on these cores, if there are any: what it imports
    counts its cores and starts its threads before it has read a word."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)  # of this thread alone
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class Lane:
    """What answers one call at a time: an instance, or one of its streams, over a socket."""

    name: str
    socket: socket.socket
    obituary: Callable[[], str]

    def send(self, samples: Sequence[int]) -> None:
        """A call. Whether its process lives is found out by whoever takes the answer."""
        with suppress(OSError):
            send_queries(self.socket, samples)

    def answer(self, rows: int, columns: int = 0, patience_seconds: float | None = None) -> Message:
        """The outputs (`rows`, `columns`; 0: of any width) of a call. Raises WorkerFailed where
        they have another shape, or do not begin in `patience_seconds`, and as `take`."""
        if patience_seconds and not select.select([self.socket], [], [], patience_seconds)[0]:
            raise self.silent(patience_seconds)
        message = self.take()
        if message.kind != OUTPUTS:
            raise WorkerFailed(f"{self.name} answered a call with {message.body!r}, not outputs")
        found = message.body.shape
        if found != (rows, columns or found[1]):
            wanted = f"{rows} x {columns}" if columns else f"{rows}"
            raise WorkerFailed(
                f"{self.name} answered a call on {rows} image{'s' * (rows != 1)} with outputs of "
                f"{found[0]} x {found[1]} values, not {wanted}: what it serves is wrong"
            )
        return message

    def silent(self, seconds: float) -> WorkerFailed:
        return WorkerFailed(f"{self.name} stopped answering: nothing for {seconds:.3g} s")

    def take(self) -> Message:
        """What it says next. Raises as its process did, and WorkerFailed where that died."""
        try:
            message = receive(self.socket)
        except HungUp:
            raise WorkerFailed(self.obituary()) from None
        if isinstance(message.body, dict) and (error := message.body.get("error")):
            kind, words = error["kind"], error["message"]
            if kind in ACROSS_PROCESSES:
                raise ACROSS_PROCESSES[kind](words)
            raise WorkerFailed(f"{self.name} failed with {kind}: {words}")
        return message


class Instance:
    """A process that serves a request (serve.py), on a lane for each of its `streams`, or on one.
    It is starting until `wait` returns."""

    def __init__(self, name: str, request: Mapping[str, Any]) -> None:
        self.name = name
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        streams = request.get("streams", 0)
        names = [f"stream {n + 1} of {name}" for n in range(streams)] or [name]
        pairs = [socket.socketpair() for _ in names]
        numbers = [theirs.fileno() for _, theirs in pairs]
        with _pinned(request["cores"]):
            self._process = subprocess.Popen(
                [*COMMAND, *map(str, numbers)], stderr=self._stderr, pass_fds=numbers
            )
        for _, theirs in pairs:
            theirs.close()
        self.lanes = [
            Lane(each, own, self._obituary) for each, (own, _) in zip(names, pairs, strict=True)
        ]
        with suppress(OSError):  # it died: `wait` finds out
            send_json(self.lanes[0].socket, request)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, deadline: float) -> float:
        """Until it is ready: seconds of the slowest call that made it so. Raises as its process
        did; WorkerFailed where that died, or is not ready at the `deadline` of the monotonic
        clock."""
        left = max(0.0, deadline - monotonic())
        if not select.select([self.lanes[0].socket], [], [], left)[0]:
            raise WorkerFailed(f"{self.name} was not ready in time{self._last_words()}")
        return float(self.lanes[0].take().body["call_seconds"])

    def resident_bytes(self) -> int:
        """Its memory now; 0 where it is gone."""
        with suppress(psutil.Error):
            return int(psutil.Process(self.pid).memory_info().rss)
        return 0

    def _obituary(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        status = self._process.poll()
        if status is not None and status < 0:
            return (
                f"{self.name} was killed by {signal_name(-status)} under load{self._last_words()}"
            )
        return f"{self.name} ended with status {status} under load{self._last_words()}"

    def _last_words(self) -> str:
        self._stderr.seek(0)
        return last_line(self._stderr.read().decode(errors="replace"))

    def close(self) -> None:
        """End the process. Harmless where it is gone already."""
        if self._stderr.closed:
            return
        for lane in self.lanes:
            lane.socket.close()
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stderr.close()
