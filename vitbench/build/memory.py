"""How much memory a process and all it started take, and how much of the machine they may.

By polling, and not by a limit of the kernel's: CUDA and torch map far more than they ever touch.
"""

from contextlib import suppress
from pathlib import Path

SHARE = 0.75  # of what there is: the run itself holds models, images and deployments
_UNLIMITED = 2**60  # cgroup v1 says "no limit" by a number near 2**63


def default_limit(root: Path = Path("/")) -> int | None:
    """Bytes that a build may take unless told otherwise: a share of the machine's memory, or of
    the cgroup's where that has less. None where the system tells neither."""
    found = []
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max" is no number
            found.append(int((root / "sys/fs/cgroup" / name).read_text()))
    with suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        found.append(next(_kilobytes(line) for line in lines if line.startswith("MemTotal:")))
    known = [each for each in found if 0 < each < _UNLIMITED]
    return int(SHARE * min(known)) if known else None


def used_bytes(session: int, root: Path = Path("/")) -> int:
    """Memory of all processes of a session (setsid) that no file could give back.

    0 where the system does not tell.
    """
    used = 0
    for process in (root / "proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # one that has just ended
            # After the name, which may hold anything: state, parent, group, session.
            if int((process / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                lines = (process / "status").read_text().splitlines()
                used += sum(_kilobytes(line) for line in lines if line.startswith("RssAnon:"))
    return used


def _kilobytes(line: str) -> int:
    """The bytes of a line such as `RssAnon:  12 kB`."""
    return int(line.split()[1]) * 1024
