"""Which file base takes for a path of the command line or of its own tables."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OwnPaths:
    """A `Find` (environment.py) of base. `head` and `base` are the roots of the two work trees of
    one repository, resolved.

    Paths are named as in head, since the command line and the tables are read from head's folders.
    A path outside of the repository is one file for both sides. Below it, base takes the file of
    its own tree; a path that its tree lacks is decided by `_untracked`.
    """

    head: Path
    base: Path

    def __call__(self, path: Path, what: str) -> Path:
        within = below(path, self.head)
        if within is None:
            return path
        own = self.base / within
        return own if own.exists() else self._untracked(path, own, what)

    def _untracked(self, path: Path, own: Path, what: str) -> Path:  # noqa: ARG002
        """The file for a path that base's tree does not have. It may be missing in head, too:
        whoever asks may only want to know whether it exists."""
        return path


def below(path: Path, folder: Path) -> Path | None:
    """A path relative to the folder that it lies in; None where it lies elsewhere. Links on the way
    to it are followed, a link that it is itself is not."""
    for each in (Path(os.path.normpath(path)), path.parent.resolve() / path.name):
        if each.is_relative_to(folder):
            return each.relative_to(folder)
    return None
