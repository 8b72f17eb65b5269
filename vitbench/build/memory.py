"""How much memory a process and all it started take, and how much of the machine they may.

By polling, and not by a limit of the kernel's: CUDA and torch map far more than they ever touch.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SHARE = 0.75  # of all memory: models, images and deployments of the run itself need the rest
SHARE_OF_FREE = 0.9  # of what no other process has: beyond that the machine swaps or kills
# Of a cgroup, v2 and v1: its limit, what is used of that, and what it could give back at once.
_CGROUPS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
_FILES = ("active_file", "inactive_file")


def default_limit(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that a build that begins now may take by default: a share of the memory of the machine,
    or of the cgroup where that has less, and no more than nearly all that is free of it now."""
    import psutil

    memory = psutil.virtual_memory()
    whole, free = memory.total, memory.available
    for limit, used, statistics in _CGROUPS:
        with suppress(OSError, ValueError):  # "max" is no number
            most = int((root / limit).read_text())
            whole = min(whole, most)
            spare = sum(map(int, _values((root / statistics).read_text(), _FILES)))
            free = min(free, most - int((root / used).read_text()) + spare)
    return int(min(SHARE * whole, SHARE_OF_FREE * free))


def _values(text: str, names: Sequence[str]) -> list[str]:
    """The values of some lines `NAME VALUE`."""
    lines = (line.partition(" ") for line in text.splitlines())
    return [value for name, _, value in lines if name in names]


def used_bytes(session: int) -> int:
    """Memory of all processes of a session (setsid) that no file could give back."""
    import psutil

    used = 0
    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):  # a process that has just ended, or is not ours
            if os.getsid(pid) == session:
                memory = psutil.Process(pid).memory_info()
                used += memory.rss - getattr(memory, "shared", 0)  # macOS does not tell them apart
    return used


def resident_bytes() -> int:
    """This process's resident memory now."""
    import psutil

    return int(psutil.Process().memory_info().rss)
