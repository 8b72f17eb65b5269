"""How much memory a process and all it started take, and how much of the machine they may.

By polling, and not by a limit of the kernel's: CUDA and torch map far more than they ever touch.
"""

import os
from contextlib import suppress
from pathlib import Path

SHARE = 0.75  # of all memory: models, images and deployments of the run itself need the rest


def default_limit(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that a build may take by default: a share of the machine's memory, or of
    the cgroup's (v2 or v1) where that has less."""
    import psutil

    found = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max" is no number
            found.append(int((root / name).read_text()))
    return int(SHARE * min(found))


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
