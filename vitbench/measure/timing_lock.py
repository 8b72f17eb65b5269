"""One timing at a time on a machine: the lock that a duet's block and a timed case take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vitbench.build.artifacts import default_folder

NAMES = ("timing-queue.lock", "timing.lock")
"""A waiting run takes the first lock: who releases the second and wants it again comes later."""


@contextmanager
def timing_alone(say: Callable[[str], None] = lambda _: None) -> Iterator[float]:
    """Holds the lock of this machine's timings. Yields the seconds that were waited for it.

    Two runs that time side by side would slow each other. A thread that has the lock passes. The
    lock lies in this user's cache folder (VITBENCH_CACHE, whatever --cache says): other users,
    other containers and another VITBENCH_CACHE have locks of their own. Where no file can be locked
    there, `say` hears why and no run waits.
    """
    folder = default_folder()
    queue, lock = (FileLock(folder / name, is_singleton=True) for name in NAMES)
    if lock.is_locked:
        yield 0.0
        return
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        waited = _wait(queue, lock, say)
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        say(
            f"{folder}: no file can be locked there ({reason}): this run does not wait for others "
            "that time"
        )
        yield 0.0
        return
    try:
        yield waited
    finally:
        lock.release()


def _wait(queue: FileLock, lock: FileLock, say: Callable[[str], None]) -> float:
    """Take the lock. Returns the seconds until then: 0 where it was free."""
    began, waits = time.monotonic(), False
    try:
        for each in (queue, lock):
            try:
                each.acquire(timeout=0)
            except Timeout:
                if not waits:
                    file = Path(lock.lock_file)
                    say(f"waiting: another run times on this machine (it has locked {file})")
                waits = True
                each.acquire()
    finally:
        queue.release()
    waited = time.monotonic() - began if waits else 0.0
    if waits:
        say(f"waited {waited:.0f} s for the other run")
    return waited
