"""Files written in one step: a reader sees the old one or the new one, whenever the power fails."""

import os
import tempfile
from pathlib import Path

from vitbench.errors import UserError


def write(path: Path, content: str | bytes) -> None:
    """Write a file in one step, with its folder; text as UTF-8.

    A link, a pipe or a device is written through: a file in its place would take it away.

    Raises UserError where it cannot be written, and then leaves what was there.
    """
    data = content.encode() if isinstance(content, str) else content
    scratch = None
    try:
        if not replaceable(path):
            path.write_bytes(data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
        scratch = None
    except OSError as error:
        raise UserError(f"{path}: cannot write it: {error.strerror}") from error
    finally:
        if scratch:
            Path(scratch).unlink(missing_ok=True)


def replaceable(path: Path) -> bool:
    """Whether a new file may take the place: nothing is there, or a plain file."""
    return not path.is_symlink() and (path.is_file() or not path.exists())
