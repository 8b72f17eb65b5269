"""Whether a full disk is why something failed."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vitbench.errors import Unavailable, UserError

FULL_BYTES = 2**20
"""A disk with less than this left is what made a write fail: libraries have their own words."""


def is_full(folder: Path, error: Exception) -> bool:
    """Whether the disk of a folder is why `error` came."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    with suppress(OSError):
        return shutil.disk_usage(folder).free < FULL_BYTES
    return False


@contextmanager
def temporary_space(folder: Path) -> Iterator[None]:
    """What fails within it because the disk of `folder`, which has temporary files, is full raises
    UserError, which says so."""
    try:
        yield
    except (UserError, Unavailable):
        raise
    except Exception as error:
        if not is_full(folder, error):
            raise
        raise UserError(
            f"{tempfile.gettempdir()}: no space is left for temporary files: free some there, or "
            "name another folder with the variable TMPDIR"
        ) from error
