"""The cases of this host: pytest with the options of the run, a process for each variant."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.errors import WorkerFailed
from vitbench.fleet.plan import variant_of
from vitbench.fleet.pytest_process import PytestProcess
from vitbench.fleet.receipts import FAILED, MEASURED, UNAVAILABLE

LEAST_FREE_BYTES = 2**28
"""A host with less room than this in its cache, or for temporary files, is full."""
INSPECT_SECONDS = 1800.0
"""Of many images, each file is read."""
CASES, REPORT, SHARD = "cases.json", "case.json", "shard.bin"
"""What pytest writes: of all cases, of the one that it was asked for, and of a part of it."""
_FULL = "no space is left"


@dataclass(frozen=True)
class Ran:
    """What came of a case: as `Outcome`. A `full` host takes no other case."""

    state: str = ""
    why: str = ""
    phase: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    data: bytes = b""
    full: bool = False


class CaseProcess:
    """Runs pytest in `folder` with `arguments`. The cases of a variant share a process, as long as
    they follow one another and none of them fails: imports, the model and the reference are paid
    for once. It ends when this process does."""

    def __init__(
        self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.folder, self.arguments, self.environment = folder, arguments, environment
        self._pytest: PytestProcess | None = None
        self._of: tuple[str, Sequence[str]] = "", ()

    @property
    def phase(self) -> str:
        """What it does; "" where nobody knows."""
        return self._pytest.phase if self._pytest else ""

    def inspect(self) -> dict[str, Any]:
        """What the options choose on this host, and what the host is (plugin/fleet.py). Raises
        WorkerFailed, in a sentence, where they cannot be used here."""
        if not self.folder.is_dir():
            raise WorkerFailed(
                f"there is no folder {self.folder}: share it with the host, or make the same "
                "checkout there"
            )
        words = ["--collect-only", "-q", *self.arguments]
        process = PytestProcess(self.folder, words, self.environment)
        try:
            file = process.scratch / CASES
            late = f"its cases took more than {INSPECT_SECONDS:.0f} s to collect"
            if why := process.wait(file, INSPECT_SECONDS, late):
                raise WorkerFailed(why)
            found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        finally:
            process.end()
        return found

    def measure(self, case: str, cache: Path, seconds: float, part: str = "") -> Ran:
        """Build, verify and time one case, or verify it on a part. What takes longer than `seconds`
        is ended."""
        if why := full(cache):
            return Ran(why=why, full=True)
        process = self._process_of(variant_of(case))
        file = process.scratch / REPORT
        process.ask(f"{case} {part}".strip())
        late = f"it took more than {seconds / 60:g} minutes (--case-minutes) and was ended"
        if why := process.wait(file, seconds, late):
            return Ran(why=why, phase=process.phase)
        report = json.loads(file.read_text("utf-8"))
        file.unlink()
        if part:
            ran = _of_part(report, process)
            if not ran.state:
                self.end()
            return ran
        state, why = _outcome(report, case)
        if state not in (MEASURED, UNAVAILABLE):
            self.end()  # what made it fail may be in the process: the next case gets another one
        if _FULL in why and full(cache):
            return Ran(why=why, phase=process.phase, full=True)
        return Ran(state, why, process.phase, report if state else {})

    def end(self) -> None:
        """End what waits for a case: its memory is free again."""
        if self._pytest:
            self._pytest.end()
            self._pytest = None

    def _process_of(self, variant: str) -> PytestProcess:
        wanted = variant, tuple(self.arguments)
        if self._pytest is None or self._pytest.ended or self._of != wanted:
            self.end()
            words = [f"--fleet-variant={variant}", *self.arguments]
            self._pytest = PytestProcess(self.folder, words, self.environment)
            self._of = wanted
        return self._pytest


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


def _of_part(answer: Mapping[str, Any], process: PytestProcess) -> Ran:
    """What came of a part (plugin/fleet.py)."""
    file, data = process.scratch / SHARD, b""
    if file.exists():
        data = file.read_bytes()
        file.unlink()
    return Ran(**answer, phase=process.phase, data=data)


def _outcome(report: Mapping[str, Any], case: str) -> tuple[str, str]:
    """The state of a case and the reason, by its own report; "" where it says nothing of it."""
    run = report.get("vitbench", {})
    ids = [row.get("extra_info", {}).get("case", {}).get("id") for row in report["benchmarks"]]
    for state in (FAILED, UNAVAILABLE):
        if case in run.get(state, {}):
            return state, str(run[state][case])
    if case in ids:
        return MEASURED, ""
    return "", "its options choose no such case there"
