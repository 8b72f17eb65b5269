"""The command `prepare` of a project, run in the tree of a side: it builds what is not in git."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from vitbench.errors import UserError

POLL_SECONDS = 0.1


def run_prepare(
    command: str, side: str, folder: Path, head: Path, seconds: float, say: Callable[[str], None]
) -> None:
    """Runs a command of the shell in `folder`, the root of the project in the tree of a side.
    VITBENCH_HEAD names `head`, that root in head's tree.

    `python` is the interpreter of this process, where the command does not say otherwise. `say`
    gets each line that the command prints. All that it started ends with it, and with this call.
    Raises UserError with the last line of the output where the command fails or takes longer.
    """
    where, deadline, last = f"prepare in {side} ({command})", time.monotonic() + seconds, ""
    say(f"{side}: prepare: {command}")
    with tempfile.TemporaryFile() as output:  # a pipe would stay open while something goes on
        process = _started(command, where, folder, head, output)
        lines = _Lines(output.fileno())
        try:
            status = None
            while status is None:
                with suppress(subprocess.TimeoutExpired):
                    status = process.wait(POLL_SECONDS)
                for line in lines.new(whole=status is not None):
                    last = f": {line}"
                    say(f"{side}: prepare: {line}")
                if status is None and time.monotonic() > deadline:
                    raise UserError(
                        f"{where} was stopped after {seconds:g} s{last}; --prepare-seconds=S gives "
                        "the command more time"
                    )
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        raise UserError(f"{where} {ended}{last}")


def _started(
    command: str, where: str, folder: Path, head: Path, output: IO[bytes]
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_environment(), "VITBENCH_HEAD": str(head)},
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"{where} cannot be started: {error.strerror}") from error


def _environment() -> dict[str, str]:
    """With the programs of this interpreter first: vitbench may run without an active environment.
    What belongs to the pytest of this process is left out."""
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join(filter(None, (programs, os.environ.get("PATH", ""))))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {**kept, "PATH": path}


class _Lines:
    """The lines that another process writes to a file, as they come."""

    def __init__(self, file: int) -> None:
        self._file, self._read, self._rest = file, 0, b""

    def new(self, whole: bool) -> Iterator[str]:
        """The lines since the last call; with `whole` what has no end of line yet, too."""
        while chunk := os.pread(self._file, 1 << 20, self._read):
            self._read += len(chunk)
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            yield from _clean(lines)
        if whole:
            yield from _clean([self._rest])


def _clean(lines: list[bytes]) -> Iterator[str]:
    """Lines as text, without colours and without what a carriage return overwrote."""
    for line in lines:
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line.decode(errors="replace")).rstrip()
        if text := text.rpartition("\r")[2].strip():
            yield text
