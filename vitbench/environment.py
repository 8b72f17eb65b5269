"""The machine and the versions that a measurement was taken with."""

import ctypes
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vitbench import variables
from vitbench.errors import UserError
from vitbench.processor import cpu as cpu

PACKAGES = (
    "torch", "torchvision", "timm", "transformers", "numpy", "pytest-benchmark", "vitbench",
    "onnxruntime", "onnx", "onnxscript", "openvino", "nncf", "executorch", "torchao",
    "zentorch",
)  # fmt: skip
# The same package under other names, which are built for other devices.
ALSO = {"onnxruntime": ("onnxruntime-gpu",)}

# OpenMP's idle threads spin this often before they sleep. With libgomp's own default (300,000 or
# more) they keep the cores from any other thread pool (docs/results.md, Thread pools).
SPINS = "1000"

Find = Callable[[Path, str], Path]
"""Which file or folder is taken for an absolute path that an option or a table names. The second
argument says what is there: `checkpoint`, `model` (a folder), `labels`, `artifact`, or a value of
EXAM. The two sides of a duet take other files for one path."""


EXAM = {"images": "images", "labels": "labels of the images", "calibration": "calibration images"}
"""What both sides of a duet are verified on and calibrated with, by option, in words."""


def as_named(path: Path, _: str) -> Path:
    """The path itself."""
    return path


def absolute(text: str, start: Path, option: str) -> Path:
    """The path that an option names, `~` spelled out; a relative one is relative to `start`.

    Raises UserError for the home of a user who does not exist.
    """
    try:
        return (start / Path(text).expanduser()).absolute()
    except RuntimeError as error:
        raise UserError(f"{option}={text}: there is no such home folder") from error


def settle_idle_threads() -> None:
    """Let OpenMP's idle threads sleep soon, unless the user's own environment says how they wait.

    To be called before torch is imported: libgomp reads it once. Child processes inherit it.
    """
    chosen = os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    if not chosen and "torch" not in sys.modules:
        os.environ["GOMP_SPINCOUNT"] = SPINS


def untested_system() -> str | None:
    """A sentence where vitbench runs on a system that it was never tried on."""
    if sys.platform == "linux":
        return None
    return f"vitbench: {platform.system()}: vitbench is tested on Linux alone"


def available_cores() -> int:
    """Whole cores this process may use: its affinity, and the cgroup's quota where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = cgroup_quota()
    return max(1, min(cores or 1, int(quota)) if quota else cores or 1)


def cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Cores granted by the cgroup (v2 or v1), or None where there is no limit."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
        period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        return None if int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def devices(wanted: str) -> tuple[str, ...]:
    """The devices of `--device cpu|cuda|auto`: auto is the CPU, and CUDA where there is one.

    Raises UserError where CUDA is asked for and torch sees none.
    """
    if wanted == "cpu" or (wanted == "auto" and not gpu_driver()):
        return ("cpu",)
    import torch

    if torch.cuda.is_available():
        return ("cuda:0",) if wanted == "cuda" else ("cpu", "cuda:0")
    if wanted == "cuda":
        raise UserError(
            "--device cuda: torch.cuda.is_available() is False here; "
            "use --device cpu, or a machine and a torch build with CUDA"
        )
    return ("cpu",)


def gpu_driver() -> bool:
    """Whether there may be a driver for torch to see. torch looks for the same, and takes seconds
    to import."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def installed(package: str) -> str | None:
    """The installed version of a package, by this or another name of it; None without it."""
    for name in (package, *ALSO.get(package, ())):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def versions() -> dict[str, str]:
    """Installed versions of the packages that decide what is measured."""
    found = {"python": platform.python_version()}
    numbers = {package: installed(package) for package in PACKAGES}
    return found | {package: number for package, number in numbers.items() if number is not None}


def gpus() -> list[dict[str, Any]]:
    """The CUDA devices that torch sees: what they are, without the versions of what drives them."""
    import torch

    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append({
            "name": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "memory_bytes": properties.total_memory,
        })  # fmt: skip
    return found


def describe(threads: int, weights: dict[str, str]) -> dict[str, Any]:
    """What a report stores about its machine.

    `fingerprint` names what its figures depend on: CPU model and ISA, cores and quota, GPU, threads
    and weights. Versions and variables are covariates. All of it is the same in the next run: what
    wanders are `readings`.
    """
    identity = {
        "cpu": cpu(),
        "cores": available_cores(),
        "quota": cgroup_quota(),
        "gpus": gpus(),
        "threads": threads,
        "weights": weights,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return {
        "fingerprint": digest,
        **identity,
        "versions": versions() | (_cuda_versions() if identity["gpus"] else {}),
        "variables": variables.of_measurements(),
    }


def _cuda_versions() -> dict[str, str]:
    """CUDA's version as torch was built for it, and the driver's."""
    import torch

    driver = _nvidia_smi("driver_version")
    return {"cuda": str(torch.version.cuda), **({"driver": driver[0]} if driver else {})}


def readings() -> dict[str, Any]:
    """What wanders: load averages, CPU clocks in MHz, and on CUDA clocks and temperature."""
    import psutil

    found: dict[str, Any] = {"load": list(psutil.getloadavg())}
    with suppress(OSError, NotImplementedError):  # a system that hides its clocks
        found["cpu_mhz"] = [each.current for each in psutil.cpu_freq(percpu=True)]
    query = "clocks.sm,clocks.mem,temperature.gpu,pstate,driver_version"
    if gpu := _nvidia_smi(query):
        found["gpu"] = gpu
    return found


def _nvidia_smi(query: str) -> list[str]:
    """A line for each GPU; [] where it is not there to ask."""
    try:
        command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return answer.stdout.strip().splitlines()


def peak_resident_bytes() -> int:
    """This process's highest resident memory. `ru_maxrss` would inherit the parent's on Linux."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
