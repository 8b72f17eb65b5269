"""pytest on this host, in a process of its own that waits for what it is asked."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from vitbench.build.ask import signal_name

PLUGINS = ("-p", "vitbench.plugin", "-p", "vitbench.plugin.fleet", "-p", "no:cacheprovider")
"""The first is loaded already where vitbench is installed; a checkout has no entry point."""
XDIST = "PYTEST_XDIST"
LOOK_SECONDS = 0.1
CORES = "VITBENCH_FLEET_CORES"
"""Of the environment that a node of Ray was started in: a list of cores, as of taskset, for what is
measured there. Without it, those of the node."""
_PHASE = re.compile(
    r"  ((?:building|opening|asking|verifying|waiting|measuring|timing|profiling|counting) .*)"
)


class PytestProcess:
    """pytest with `words`, in `folder`. It ends when this process does, with all that it started.
    `scratch`: a folder for its files; `phase`: what it does."""

    def __init__(self, folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="vitbench-fleet-")
        self.scratch, self.phase = Path(self._scratch.name), ""
        theirs, ours = os.pipe()
        self._asks = open(ours, "wb", buffering=0)  # noqa: SIM115 - closed by `end`
        cores = ["taskset", "--cpu-list", environment[CORES]] if environment.get(CORES) else []
        command = [
            *cores, sys.executable, "-m", "pytest", "--benchmark-only", *PLUGINS,
            f"--fleet-asks={theirs}", f"--fleet-folder={self.scratch}",
            f"--vitbench-report={self.scratch / 'report.json'}", *words,
        ]  # fmt: skip
        # A run of its own, also where this process is a worker of pytest-xdist.
        own = {k: v for k, v in environment.items() if not k.startswith(XDIST)}
        output = self.scratch / "output"
        # A file, no pipe: what pytest leaves running would keep a reader of a pipe waiting.
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                command, cwd=folder, env=own, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, pass_fds=(theirs,), start_new_session=True,
            )  # fmt: skip
        os.close(theirs)
        self._said = output.open(errors="replace")
        with suppress(PermissionError, ProcessLookupError):  # Ray's processes are nice
            os.setpriority(os.PRIO_PROCESS, self._process.pid, 0)

    def ask(self, line: str) -> None:
        """Write a line to it: the id of a case (plugin/fleet.py)."""
        self.phase = ""
        with suppress(BrokenPipeError):  # it has ended: `wait` says how
            self._asks.write(f"{line}\n".encode())

    def wait(self, file: Path, seconds: float, too_late: str) -> str:
        """Wait until it has written a file. Returns "" then; else how it ended, which it has then:
        `too_late` are the words where that took more than `seconds`."""
        until = time.monotonic() + seconds
        while True:
            ended = self._process.poll() is not None
            self._listen()
            if file.exists():
                return ""
            if ended or time.monotonic() >= until:
                why = self._ending() if ended else too_late
                self.end()
                return why
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LOOK_SECONDS)

    @property
    def ended(self) -> bool:
        """Whether it takes no case any more."""
        return self._said.closed or self._process.poll() is not None

    def end(self) -> None:
        """End it, with all that it started, and take its files away."""
        if self._said.closed:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._asks.close()
        self._said.close()
        self._scratch.cleanup()

    def _listen(self) -> None:
        for line in self._said.read().splitlines():
            if match := _PHASE.fullmatch(line):
                self.phase = match[1]

    def _ending(self) -> str:
        """How it ended by itself."""
        status = self._process.returncode
        if status < 0:
            return f"its process was killed by {signal_name(-status)}"
        self._said.seek(0)
        said = [line.strip() for line in self._said.read().splitlines() if line.strip()]
        words = [line for line in said if line.startswith(("ERROR", "E  "))] or said[-1:]
        return f"pytest ended with status {status}: {' '.join(words[0].split()) if words else ''}"
