"""The parent's end of a worker: one request to a process of its own, and its answer."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from vitbench.build.memory import used_bytes
from vitbench.errors import ACROSS_PROCESSES, Unavailable, WorkerFailed

# -P: the user's folder may hold a torch.py of its own.
COMMAND = (sys.executable, "-P", "-m", "vitbench.build.worker")
WATCH_SECONDS = 0.2  # between two looks at a worker's memory


def ask(
    request: Mapping[str, Any],
    timeout_seconds: float,
    command: Sequence[str] = COMMAND,
    option: str = "",
    name: str = "",
    memory_bytes: int | None = None,
) -> dict[str, Any]:
    """The answer of a fresh worker, which is gone, with all it started, when this returns.

    `option` is what a user sets the timeout with, `name` what errors call the worker. One that
    takes more than `memory_bytes`, with all it started, is ended: that raises Unavailable.
    Raises UserError and Unavailable as the worker raised them; WorkerFailed for all else.
    """
    name = name or f"the {request.get('verb')} worker"
    # Not resolved: a link to the package, as of a duet, leads into a folder with another torch.
    root = str(Path(__file__).absolute().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # Files, not pipes: a grandchild with an open pipe would keep the parent waiting.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        try:
            stopped = _watch(process, request, timeout_seconds, memory_bytes)
        finally:  # also on Ctrl-C
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        stdout.seek(0)
        stderr.seek(0)
        printed = stdout.read().decode(errors="replace").strip()
        complaint = last_line(stderr.read().decode(errors="replace"))
    if stopped == "large":
        raise Unavailable(
            f"{name} took more than {(memory_bytes or 0) / 1e9:.3g} GB of memory and was stopped: "
            f"--build-memory=SIZE gives a build more"
        )
    if stopped:
        advice = f" ({option})" if option else ""
        raise WorkerFailed(
            f"{name} was stopped: no answer in {timeout_seconds:g} s{advice}{complaint}"
        )
    if process.returncode < 0:
        raise WorkerFailed(f"{name} was killed by {signal_name(-process.returncode)}{complaint}")
    return _answer(name, printed, process.returncode, complaint)


def _watch(
    process: "subprocess.Popen[bytes]",
    request: Mapping[str, Any],
    timeout_seconds: float,
    memory_bytes: int | None,
) -> str:
    """Sends the request and waits. Why the worker has to be stopped: `late` or `large`; else ""."""
    deadline = monotonic() + timeout_seconds
    data: bytes | None = json.dumps(request).encode()
    while True:
        left = deadline - monotonic()
        try:
            process.communicate(data, timeout=min(left, WATCH_SECONDS) if memory_bytes else left)
            return ""
        except subprocess.TimeoutExpired:
            data = None  # it is on its way
        if memory_bytes and used_bytes(process.pid) > memory_bytes:
            return "large"
        if monotonic() >= deadline:
            return "late"


def _answer(name: str, printed: str, status: int, complaint: str) -> dict[str, Any]:
    """The answer that a worker printed, or its error raised."""
    if not printed:
        raise WorkerFailed(f"{name} ended with status {status} and no answer{complaint}")
    try:
        answer = json.loads(printed)
        error = answer.get("error")
        kind, message = (error["kind"], error["message"]) if error else ("", "")
    except (ValueError, AttributeError, KeyError, TypeError):
        raise WorkerFailed(f"{name} answered {printed[:80]!r}, not JSON{complaint}") from None
    if kind in ACROSS_PROCESSES:
        raise ACROSS_PROCESSES[kind](message)
    if kind:
        raise WorkerFailed(f"{name} failed with {kind}: {message}")
    if status:
        raise WorkerFailed(f"{name} answered, and then ended with status {status}{complaint}")
    return dict(answer)


def signal_name(number: int) -> str:
    """What a person calls a signal."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name}, as when memory runs out" if name == "SIGKILL" else name


def last_line(text: str) -> str:
    """What a dying process said last, as the end of a sentence; empty where it said nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"; its last words: {lines[-1]}" if lines else ""
