"""A folder for what a search builds, which goes even where its process was killed."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX, LOCK = "vitbench-blame-", "alive.lock"
NEW_SECONDS = 60.0  # its process may not have locked it yet


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, gone when the `with` block ends. Those of processes that were killed go
    now: nobody has the lock in them any more."""
    parent = Path(tempfile.gettempdir())
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        _remove_abandoned(lock)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with FileLock(folder / LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(lock: Path) -> None:
    with suppress(OSError, Timeout, NotImplementedError):
        if time.time() - lock.stat().st_mtime > NEW_SECONDS:
            with FileLock(lock, timeout=0):
                shutil.rmtree(lock.parent, ignore_errors=True)
