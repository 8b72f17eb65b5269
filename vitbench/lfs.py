"""Pointers of Git LFS: what lies in place of a file that git has not fetched."""

import re
from dataclasses import dataclass
from pathlib import Path

from vitbench.errors import UserError

_START = b"version https://git-lfs"
_LONGEST = 1024  # bytes, by the specification of Git LFS


@dataclass(frozen=True)
class Pointer:
    """The file that a pointer stands for; "" where the pointer does not name a digest."""

    sha256: str


def pointer_of(path: Path) -> Pointer | None:
    """The pointer in a file; None for another file, and where there is none. Raises OSError."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(len(_START))
        if start != _START:
            return None
        text = (start + file.read(_LONGEST)).decode(errors="replace")
    found = re.search(r"^oid sha256:([0-9a-f]{64})$", text, re.MULTILINE)
    return Pointer(found[1] if found else "")


def require_content(path: Path, noun: str = "the file itself", said: str = "") -> None:
    """Raises UserError for a pointer. `noun` says what should be there; `said` names the
    file, which its path does else."""
    if pointer_of(path):
        raise UserError(
            f"{said or path} is a pointer of Git LFS and not {noun}: git lfs pull fetches it"
        )
