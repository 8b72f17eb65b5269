"""Joules that calls take, where the machine counts them: RAPL of a CPU, NVML of a GPU.

Counters are of a whole package or board, whatever else runs on it, so calls are counted while
nothing else is timed. Sources: Linux's `Documentation/power/powercap`, and NVML's
`nvmlDeviceGetTotalEnergyConsumption`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from vitbench.errors import Unavailable
from vitbench.runtimes.base import Deployment

POWERCAP = Path("/sys/class/powercap")
SECONDS = 1.0
"""How long calls are counted: RAPL's counters move every millisecond."""
LEAST_CALLS = 3


class Meter(Protocol):
    """Counters of energy. `source` names them, for people."""

    source: str

    def read(self) -> Sequence[float]:
        """Joules so far, a number a counter."""

    def since(self, before: Sequence[float], after: Sequence[float]) -> float:
        """Joules between two readings."""


@dataclass(frozen=True)
class Zone:
    """A package that RAPL counts: its folder, its name, and the joules at which it begins again."""

    folder: Path
    name: str
    most: float


class Rapl:
    """The packages of the CPUs. Raises Unavailable, with the reason, where none can be read."""

    def __init__(self, root: Path = POWERCAP) -> None:
        self._zones = _packages(root)
        if not self._zones:
            raise Unavailable(f"{root} has no package of RAPL: the machine does not count energy")
        self.source = f"RAPL {', '.join(zone.name for zone in self._zones)}"
        self.read()

    def read(self) -> Sequence[float]:
        try:
            return [_joules(zone.folder / "energy_uj") for zone in self._zones]
        except PermissionError as error:
            raise Unavailable(
                f"{error.filename} may be read by root alone: run as root, or let an administrator "
                "make it readable"
            ) from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"RAPL cannot be read: {error}") from error

    def since(self, before: Sequence[float], after: Sequence[float]) -> float:
        return sum(
            new - old + (zone.most if new < old else 0.0)
            for zone, old, new in zip(self._zones, before, after, strict=True)
        )


def _packages(root: Path) -> list[Zone]:
    found = []
    for folder in sorted(root.glob("intel-rapl:*")):
        try:
            name = (folder / "name").read_text().strip()
            if name.startswith("package"):
                found.append(Zone(folder, name, _joules(folder / "max_energy_range_uj")))
        except (OSError, ValueError):
            continue  # a zone that says nothing of itself
    return found


def _joules(file: Path) -> float:
    return int(file.read_text()) / 1e6


class Nvml:
    """The board of a CUDA device. Raises Unavailable where pynvml or the counter is missing."""

    def __init__(self, device: str) -> None:
        try:
            import pynvml
        except ImportError as error:
            raise Unavailable("pynvml is not installed: pip install nvidia-ml-py") from error
        import torch

        self._library: Any = pynvml
        self.source = f"NVML {device}"
        try:
            pynvml.nvmlInit()
            name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            self._board = pynvml.nvmlDeviceGetHandleByUUID(name)
            self.read()
        except pynvml.NVMLError as error:
            raise Unavailable(f"NVML does not count the energy of {device}: {error}") from error

    def read(self) -> Sequence[float]:
        return [self._library.nvmlDeviceGetTotalEnergyConsumption(self._board) / 1e3]

    def since(self, before: Sequence[float], after: Sequence[float]) -> float:
        return after[0] - before[0]


def meter_of(device: str) -> Meter:
    """What counts the energy of a device. Raises Unavailable, with the reason."""
    return Rapl() if device == "cpu" else Nvml(device)


def energy_of(
    deployment: Deployment,
    staged: Any,
    images: int,
    meter: Meter,
    seconds: float = SECONDS,
    now: Callable[[], float] = perf_counter,
) -> dict[str, Any]:
    """Joules an image over calls one after the other, each of so many images: at least LEAST_CALLS,
    until `seconds` have passed. The machine's idle power is in it. Raises Unavailable where the
    counters did not move."""
    with deployment.active():
        deployment(staged)
        deployment.synchronize()
        calls, before, start = 0, meter.read(), now()
        while calls < LEAST_CALLS or now() - start < seconds:
            deployment(staged)
            calls += 1
        deployment.synchronize()
        took, joules = now() - start, meter.since(before, meter.read())
    if joules <= 0:
        raise Unavailable(f"{meter.source} counted nothing in {calls} calls")
    return {
        "joules_per_image": joules / calls / images,
        "source": meter.source,
        "calls": calls,
        "seconds": took,
    }
