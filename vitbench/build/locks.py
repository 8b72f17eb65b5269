"""Locks on files. The kernel releases them when the process that took them ends, however it ends.

They hold between processes, also of containers that share a volume of one host, and, on Linux,
between machines that share a folder by NFS. filelock, used elsewhere, has no shared locks.
"""

import errno
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BUSY = frozenset({errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK})
# Of a folder that can be read and not written.
READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def acquire(path: Path, shared: bool = False, wait: bool = True) -> int | None:
    """A descriptor that locks the file until it is closed; None where another process did before.

    Several processes may have a shared lock. The file is made if need be. One that was deleted
    while this waited is no lock any more: then the next one of that name is taken. Raises OSError.
    """
    import fcntl  # not on Windows, where reports are read all the same

    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, how)
            if _names(path, file):
                return file
        except OSError as error:
            os.close(file)
            if not wait and error.errno in BUSY:
                return None
            raise
        except BaseException:  # Ctrl-C while waiting
            os.close(file)
            raise
        os.close(file)


def _names(path: Path, file: int) -> bool:
    """Whether a path still names an open file."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(file))
    return False


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """One process at a time; whether this is the one (always, where it waits)."""
    file = acquire(path, wait=wait)
    try:
        yield file is not None
    finally:
        if file is not None:
            os.close(file)


class Leases:
    """Shared locks that say: this is in use. Let go when this object goes, or its process."""

    def __init__(self) -> None:
        self._files: dict[Path, int] = {}
        weakref.finalize(self, _close, self._files)

    def take(self, path: Path) -> None:
        """Take the lease of that name. In a read-only folder no lease can be taken.

        Nobody who takes the folder for read-only can delete anything there either.
        """
        if path in self._files:
            return
        try:
            file = acquire(path, shared=True)
        except OSError as error:
            if error.errno in READ_ONLY:
                return
            if error.errno != errno.EMFILE or not _allow_more_files():
                raise
            file = acquire(path, shared=True)
        assert file is not None
        self._files[path] = file

    def release(self) -> None:
        """Let go of all."""
        _close(self._files)


def _allow_more_files() -> bool:
    """Let this process open as many files as it may; whether those are more than before.

    A lease is an open file, and some systems grant 256 unless asked.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    more = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft >= more:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
    return True


def _close(files: dict[Path, int]) -> None:
    while files:
        os.close(files.popitem()[1])
