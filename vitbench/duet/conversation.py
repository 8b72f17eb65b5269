"""A worker that stays: requests and answers by turns, one line of JSON each, over two pipes.

The other end answers every request with `{"answer": ...}` or `{"error": {"kind", "message"}}`. What
it prints elsewhere goes to a file; the last line of that file is in the message where it dies.
"""

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from vitbench.build.ask import WATCH_SECONDS, last_line, signal_name
from vitbench.build.memory import used_bytes
from vitbench.errors import ACROSS_PROCESSES, WorkerFailed

GRACE_SECONDS = 5.0  # to end what it started itself, before it is killed


class Conversation:
    """A process to talk to. Gone, with all it started, when the `with` block ends.

    `name` is for people; Python imports vitbench from `folder`, before the entries `path` of
    PYTHONPATH, which are those of this process unless given. The process works in `cwd`, which
    is its variable PWD, too. If it takes more than `memory_bytes`, with all it started in its
    session, it is ended.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        cwd: Path = Path(),
        path: Sequence[str] | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        self.name, self._memory_bytes = name, memory_bytes
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        entries = [os.environ.get("PYTHONPATH", "")] if path is None else path
        joined = os.pathsep.join(filter(None, (str(folder.absolute()), *entries)))
        environment = {name: value for name, value in os.environ.items() if name != "OLDPWD"}
        environment |= {"PYTHONPATH": joined, "PWD": str(cwd.absolute())}
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=environment,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerFailed(f"{name} cannot be started: {error.strerror}") from error
        self._buffer = b""

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: Mapping[str, Any], timeout_seconds: float) -> Any:
        """The answer to one request.

        Raises UserError and Unavailable as the worker raised them, and WorkerFailed for its other
        errors, after which it goes on. Raises WorkerLost where it died, came too late, grew too
        large or answered nonsense: it is ended then.
        """
        line = b""
        try:
            line = self._exchange(json.dumps(request).encode() + b"\n", timeout_seconds)
            answer = json.loads(line)
            error = answer.get("error")
            kind, message = (error["kind"], error["message"]) if error else ("", "")
            result = None if error else answer["answer"]
        except (ValueError, AttributeError, KeyError, TypeError):
            self.close()
            raise WorkerLost(f"{self.name} answered {line[:80]!r}, not JSON") from None
        except BaseException:
            self.close()
            raise
        if kind in ACROSS_PROCESSES:
            raise ACROSS_PROCESSES[kind](message)
        if kind:
            raise WorkerFailed(f"{self.name} failed with {kind}: {message}")
        return result

    def _exchange(self, line: bytes, timeout_seconds: float) -> bytes:
        deadline = time.monotonic() + timeout_seconds
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:
            raise WorkerLost(self._obituary()) from None
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                late = f"{self.name} was stopped: no answer in {timeout_seconds:g} s"
                raise WorkerLost(late + self._last_words())
            wait = min(left, WATCH_SECONDS) if self._memory_bytes else left
            if not select.select([self._process.stdout], [], [], wait)[0]:
                self._require_memory()
                continue
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                raise WorkerLost(self._obituary())
            self._buffer += chunk
        answer, _, self._buffer = self._buffer.partition(b"\n")
        return answer

    def _require_memory(self) -> None:
        most = self._memory_bytes
        if most and used_bytes(self._process.pid) > most:
            raise WorkerLost(
                f"{self.name} took more than {most / 1e9:.3g} GB of memory and was stopped: "
                "--build-memory=SIZE gives it more"
            )

    def _obituary(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        status = self._process.poll()
        if status is not None and status < 0:
            return f"{self.name} was killed by {signal_name(-status)}{self._last_words()}"
        return f"{self.name} ended with status {status} and no answer{self._last_words()}"

    def _last_words(self) -> str:
        if self._stderr.closed:
            return ""
        self._stderr.seek(0)
        return last_line(self._stderr.read().decode(errors="replace"))

    @property
    def closed(self) -> bool:
        return self._stderr.closed

    def close(self) -> None:
        """End the process and all that it started. Harmless where it is gone already."""
        if self._stderr.closed:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self._process.poll() is None:
            self._process.terminate()  # it ends its own workers, which are in sessions of their own
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stderr.close()


class WorkerLost(WorkerFailed):
    """The worker is gone: to go on, start another one."""
