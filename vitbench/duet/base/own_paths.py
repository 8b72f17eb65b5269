"""Which file base takes for a path of the command line or of its own tables."""

import os
from dataclasses import dataclass
from pathlib import Path

from vitbench.duet.base.untracked import Untracked
from vitbench.environment import EXAM


@dataclass(frozen=True)
class OwnPaths:
    """A `Find` (environment.py) of base. `files` knows the two work trees of one repository.

    Paths are named as in head, since the command line and the tables are read from head's folders.
    A path outside of the repository is one file for both sides. Below it, base takes the file of
    its own tree; a path that its tree lacks is decided by `files`. The images that both sides are
    verified and calibrated on are head's: on other images, predictions could not be compared.
    """

    files: Untracked

    def __call__(self, path: Path, what: str) -> Path:
        within = below(path, self.files.head)
        if within is None:
            return path
        if what in EXAM.values():
            self.files.share(within, what)
            return path
        return self.files.take(within, what)


def below(path: Path, folder: Path) -> Path | None:
    """A path relative to the folder that it lies in; None where it lies elsewhere. Links on the way
    to it are followed, a link that it is itself is not."""
    for each in (Path(os.path.normpath(path)), path.parent.resolve() / path.name):
        if each.is_relative_to(folder):
            return each.relative_to(folder)
    return None
