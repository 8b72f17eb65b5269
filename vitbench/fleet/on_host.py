"""What runs on a host of a Ray cluster: an actor that starts the processes of its cases."""

import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tarfile import TarError
from tempfile import TemporaryDirectory
from typing import Any

from vitbench.errors import WorkerFailed
from vitbench.fleet.artifacts import artifacts_of, entries, packed, unpack
from vitbench.fleet.case_process import CaseProcess, Ran
from vitbench.report.files import write

FETCH_SECONDS = 60.0
THREADS = "OMP_NUM_THREADS"
"""Ray sets it in its workers."""

Shared = list[tuple[str, list[Any]]]
"""Artifacts in the object store of Ray: keys, and references, each in a list: so Ray passes a
reference, and not what it names."""


class OnHost:
    """The actor of a host."""

    def __init__(self, folder: str, arguments: Sequence[str], in_parts: bool = False) -> None:
        self._shards = TemporaryDirectory(prefix="vitbench-shards-")
        self._own = (f"--fleet-shards={self._shards.name}",) if in_parts else ()
        words = (*arguments, *self._own)
        self._process = CaseProcess(Path(folder), words, _own_environment())

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
        self,
        case: str,
        arguments: Sequence[str],
        cache: str,
        seconds: float,
        shared: Shared,
        part: str = "",
        files: Sequence[tuple[str, list[Any]]] = (),
    ) -> tuple[Ran, Shared, int]:
        """What came of a case, or of a part of it, the artifacts that it built, and how many it
        took from `shared`. `files`: those of parts, by their places in the folder of shards."""
        import ray

        folder, taken = Path(cache), 0
        for key, (reference,) in shared:
            if key not in entries(folder):
                with suppress(ray.exceptions.RayError, OSError, TarError):  # then it is built
                    unpack(folder, key, ray.get(reference, timeout=FETCH_SECONDS))
                    taken += artifacts_of([key])
        before = entries(folder)
        try:
            self._fetch(files)
        except (ray.exceptions.RayError, OSError) as error:
            return Ran(why=f"it cannot take the parts of the verification: {error}"), [], taken
        self._process.arguments = (*arguments, *self._own)
        ran = self._process.measure(case, folder, seconds, part)
        new: Shared = []
        with suppress(ray.exceptions.RayError):  # its store is full: others build
            for key, data in packed(folder, entries(folder) - before).items():
                new.append((key, [ray.put(data)]))
        return ran, new, taken

    def _fetch(self, files: Sequence[tuple[str, list[Any]]]) -> None:
        """Have these files in the folder of shards, and no others."""
        import ray

        root = Path(self._shards.name)
        wanted = {name for name, _ in files}
        for file in [each for each in root.rglob("*") if each.is_file()]:
            if file.relative_to(root).as_posix() not in wanted:
                file.unlink()
        for name, (reference,) in files:
            if not (root / name).exists():
                write(root / name, ray.get(reference, timeout=FETCH_SECONDS))

    def rest(self) -> None:
        """Another node of this machine is given a case."""
        self._process.end()

    def close(self) -> None:
        """The run is over."""
        self._process.end()
        self._shards.cleanup()

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
