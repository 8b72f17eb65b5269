"""How often the kernel stopped this process's cgroup because its quota of CPU time was used up."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

Counters = dict[str, tuple[int, float]]
"""By cgroup: the periods in which it was throttled, and for how many seconds, since it was made."""


class Throttling:
    """Counts from when it is made. Any level above a process may have a quota, so all are read."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root, self._start, self._before = root, monotonic(), counters(root)

    def so_far(self) -> dict[str, float] | None:
        """`periods` and `seconds` of the level that was throttled longest, `of_seconds` that have
        passed; None where no level counts, as without a quota or a cgroup."""
        passed, after = monotonic() - self._start, counters(self._root)
        grown = [
            (after[level][1] - seconds, after[level][0] - periods)
            for level, (periods, seconds) in self._before.items()
            if level in after
        ]
        if not grown:
            return None
        seconds, periods = max(grown)
        return {"periods": periods, "seconds": seconds, "of_seconds": passed}

    def notes(self) -> list[str]:
        """A sentence for a duet's notes where the kernel throttled it; else nothing."""
        found = self.so_far()
        if not found or not found["periods"]:
            return []
        return [
            f"noisy: the quota of its cgroup stopped this duet {found['periods']:,} times, for "
            f"{found['seconds']:.2f} s of {found['of_seconds']:.0f} s: raise the quota or lower "
            "--threads"
        ]


def counters(root: Path = Path("/")) -> Counters:
    """Of each level of this process's cgroup, v2 or v1, that counts them."""
    found: Counters = {}
    for folder in _levels(root):
        try:
            lines = (folder / "cpu.stat").read_text().splitlines()
        except OSError:
            continue
        stat = {name: value for name, _, value in (line.partition(" ") for line in lines)}
        try:
            if "throttled_usec" in stat:
                seconds = int(stat["throttled_usec"]) / 1e6
            else:
                seconds = int(stat["throttled_time"]) / 1e9
            found[str(folder)] = int(stat["nr_throttled"]), seconds
        except (KeyError, ValueError):  # The root of v2 has no quota, so that it counts nothing.
            continue
    return found


def _levels(root: Path) -> Iterator[Path]:
    """The folders of this process's cgroup and of those above it, as far as they are mounted."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mounted = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        places = (controllers, "cpu") if controllers else ("", "unified")
        for place in places:
            base = mounted / place
            if (base / "cgroup.procs").exists() or (base / "cpu.stat").exists():
                own = base / path.lstrip("/")
                yield from (each for each in (own, *own.parents) if each.is_relative_to(base))
                break
