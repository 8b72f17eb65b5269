"""What runs on a host of a Ray cluster: an actor that starts the processes of its cases."""

import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tarfile import TarError
from typing import Any

from vitbench.errors import WorkerFailed
from vitbench.fleet.artifacts import entries, packed, unpack
from vitbench.fleet.case_process import CaseProcess, Ran

FETCH_SECONDS = 60.0
THREADS = "OMP_NUM_THREADS"
"""Ray sets it in its workers."""

Shared = list[tuple[str, list[Any]]]
"""Artifacts in the object store of Ray: keys, and references, each in a list: so Ray passes a
reference, and not what it names."""


class OnHost:
    """The actor of a host."""

    def __init__(self, folder: str, arguments: Sequence[str]) -> None:
        self._process = CaseProcess(Path(folder), arguments, _own_environment())

    def physical(self) -> str:
        """Names the machine: containers of one machine have one kernel."""
        with suppress(OSError):
            return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return platform.node()

    def inspect(self) -> dict[str, Any] | str:
        """As of CaseProcess; or why not."""
        try:
            return self._process.inspect()
        except WorkerFailed as error:
            return str(error)

    def measure(
        self, case: str, arguments: Sequence[str], cache: str, seconds: float, shared: Shared
    ) -> tuple[Ran, Shared, int]:
        """What came of a case, the artifacts that it built, and how many it took from `shared`."""
        import ray

        folder, taken = Path(cache), 0
        for key, (reference,) in shared:
            if key not in entries(folder):
                with suppress(ray.exceptions.RayError, OSError, TarError):  # then it is built
                    unpack(folder, key, ray.get(reference, timeout=FETCH_SECONDS))
                    taken += 1
        before = entries(folder)
        self._process.arguments = arguments
        ran = self._process.measure(case, folder, seconds)
        new: Shared = []
        with suppress(ray.exceptions.RayError):  # its store is full: others build
            for key, data in packed(folder, entries(folder) - before).items():
                new.append((key, [ray.put(data)]))
        return ran, new, taken

    def rest(self) -> None:
        """Another node of this machine is given a case."""
        self._process.end()

    def phase(self) -> str:
        """What the host does."""
        return self._process.phase


def arguments_of(arguments: Sequence[str], model: str, asked: Mapping[str, str]) -> tuple[str, ...]:
    """The arguments of a run for a case of one model: pytest loads all models that it is given."""
    if len(asked) < 2:
        return tuple(arguments)
    option = "--vitbench-model="
    rest = [each for each in arguments if not each.startswith(option)]
    return (*rest, option + asked[model])


def _own_environment() -> dict[str, str]:
    """The environment of this process without what Ray set in it: the number of threads is ours,
    unless whoever started the node of Ray has set it."""
    ours = {key: value for key, value in os.environ.items() if key != THREADS}
    with suppress(OSError):
        words = Path(f"/proc/{os.getppid()}/environ").read_bytes().split(b"\0")
        given = dict(os.fsdecode(word).partition("=")[::2] for word in words if b"=" in word)
        return ours | ({THREADS: given[THREADS]} if THREADS in given else {})
    return ours
