"""Files and folders of the cache: digests, private folders, deletion."""

import hashlib
import shutil
from pathlib import Path


def private(folder: Path) -> None:
    """Make a folder and its parents, each only for this user: torch runs what lies in them."""
    if not folder.is_dir():
        if folder.parent != folder:
            private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def remove(path: Path) -> None:
    """Delete a folder or a file, whatever it is; a link, not what it names."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def beside(path: Path) -> list[Path]:
    """A file and those beside it under the same stem, itself first."""
    return [path, *sorted(set(path.parent.glob(f"{path.stem}.*")) - {path})]


def sha256(path: Path) -> str:
    """The digest of a file; of several under one stem, that of their digests in a row."""
    digests = []
    for each in beside(path):
        with each.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
