"""A case on this host, in a process of its own: pytest with the options of the run."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.build.ask import signal_name
from vitbench.errors import WorkerFailed
from vitbench.fleet.receipts import FAILED, MEASURED, UNAVAILABLE

PLUGINS = ("-p", "vitbench.plugin", "-p", "vitbench.plugin.fleet", "-p", "no:cacheprovider")
"""The first is loaded already where vitbench is installed; a checkout has no entry point."""
XDIST = "PYTEST_XDIST"
LEAST_FREE_BYTES = 2**28
"""A host with less room than this in its cache, or for temporary files, is full."""
INSPECT_SECONDS = 300.0
_PHASE = re.compile(
    r"  ((?:building|opening|asking|verifying|waiting|measuring|timing|profiling|counting) .*)"
)
_FULL = "no space is left"


@dataclass(frozen=True)
class Ran:
    """What came of a case: as `Outcome`. A `full` host takes no other case."""

    state: str = ""
    why: str = ""
    phase: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    full: bool = False


class CaseProcess:
    """Runs pytest in `folder` with `arguments`. It ends when this process does."""

    def __init__(
        self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.folder, self.arguments = folder, arguments
        # A run of its own, also where this process is a worker of pytest-xdist.
        self.environment = {k: v for k, v in environment.items() if not k.startswith(XDIST)}
        self.phase = ""

    def inspect(self) -> dict[str, Any]:
        """What the options choose on this host, and what the host is (plugin/fleet.py). Raises
        WorkerFailed, in a sentence, where they cannot be used here."""
        if not self.folder.is_dir():
            raise WorkerFailed(
                f"there is no folder {self.folder}: share it with the host, or make the same "
                "checkout there"
            )
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch, "cases.json")
            status, said = self._run(
                [f"--fleet-cases={file}", "--collect-only", "-q"], Path(scratch), INSPECT_SECONDS
            )
            try:
                found: dict[str, Any] = json.loads(file.read_text("utf-8"))
            except (OSError, ValueError):
                raise WorkerFailed(_ending(status, said, INSPECT_SECONDS)) from None
        return found

    def measure(self, case: str, cache: Path, seconds: float) -> Ran:
        """Build, verify and time one case. What takes longer than `seconds` is ended."""
        if why := full(cache):
            return Ran(why=why, full=True)
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch, "whole.json")
            own = [
                f"--fleet-case={case}",
                f"--fleet-report={file}",
                f"--vitbench-report={Path(scratch, 'report.json')}",
            ]
            status, said = self._run(own, Path(scratch), seconds)
            if status is None or status < 0:
                return Ran(why=_ending(status, said, seconds), phase=self.phase)
            try:
                report = json.loads(file.read_text("utf-8"))
            except (OSError, ValueError):
                return Ran(why=_ending(status, said, seconds), phase=self.phase)
        state, why = _outcome(report, case)
        if _FULL in why and full(cache):
            return Ran(why=why, phase=self.phase, full=True)
        if not state:
            return Ran(why=_ending(status, said, seconds), phase=self.phase)
        return Ran(state, why, self.phase, report)

    def _run(
        self, own: Sequence[str], scratch: Path, seconds: float
    ) -> tuple[int | None, list[str]]:
        """The exit status, None where it was ended as too late, and the lines that it printed."""
        ours, alive = os.pipe()
        command = [
            sys.executable, "-m", "pytest", "--benchmark-only", *PLUGINS,
            f"--fleet-alive={ours}", *own, *self.arguments,
        ]  # fmt: skip
        self.phase = ""
        output, deadline = scratch / "output", time.monotonic() + seconds
        # A file, no pipe: what the case leaves running would keep a reader of a pipe waiting.
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, pass_fds=(ours,), start_new_session=True,
            )  # fmt: skip
        os.close(ours)
        with suppress(PermissionError, ProcessLookupError):  # Ray's processes are nice
            os.setpriority(os.PRIO_PROCESS, process.pid, 0)
        status: int | None = None
        try:
            with output.open(errors="replace") as lines:
                while status is None and time.monotonic() < deadline:
                    with suppress(subprocess.TimeoutExpired):
                        status = process.wait(0.2)
                    for line in lines.read().splitlines():
                        if match := _PHASE.fullmatch(line):
                            self.phase = match[1]
        finally:
            os.close(alive)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return status, output.read_text(errors="replace").splitlines()


def full(cache: Path) -> str:
    """Why a host has no room for a case; "" where it has."""
    for place, option in ((cache, "--cache"), (Path(tempfile.gettempdir()), "TMPDIR")):
        there = next((each for each in (place, *place.parents) if each.exists()), place)
        free = shutil.disk_usage(there).free
        if free < LEAST_FREE_BYTES:
            return (
                f"the host is full: {free / 1e6:.0f} MB are free in {place} ({option}), and a case "
                f"needs {LEAST_FREE_BYTES / 1e6:.0f} MB"
            )
    return ""


def _outcome(report: Mapping[str, Any], case: str) -> tuple[str, str]:
    """The state of a case and the reason, by its own report; "" where it says nothing of it."""
    run = report.get("vitbench", {})
    ids = [row.get("extra_info", {}).get("case", {}).get("id") for row in report["benchmarks"]]
    for state in (FAILED, UNAVAILABLE):
        if case in run.get(state, {}):
            return state, str(run[state][case])
    return (MEASURED, "") if case in ids else ("", "")


def _ending(status: int | None, said: Sequence[str], seconds: float) -> str:
    """How a process ended that left no report."""
    if status is None:
        return f"it took more than {seconds / 60:g} minutes (--case-minutes) and was ended"
    if status < 0:
        return f"its process was killed by {signal_name(-status)}"
    errors = [line.strip() for line in said if line.lstrip().startswith(("ERROR", "E  "))]
    words = errors or [line.strip() for line in said if line.strip()][-1:]
    return f"pytest ended with status {status}: {' '.join(words[0].split()) if words else ''}"
