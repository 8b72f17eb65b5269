"""A side of a duet: what its processes run, and where."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.duet.ending import cleaning_first
from vitbench.errors import UserError
from vitbench.measure.options import Options
from vitbench.place import CHECKOUT, PACKAGE

ROOT = Path(__file__).resolve().parents[3]
WORKERS = ("vitbench.duet.worker", "vitbench.arm")
"""The modules that start an arm, the newest name first. Before the package had folders, the module
was `vitbench.arm`."""


@dataclass(frozen=True)
class Side:
    """Base or head: its interpreter, and the folder from which Python imports its vitbench.

    People read `label` and `notes`. `same`: why base is the same as head, so that there is nothing
    to compare; empty where the two differ. `tree` is the root of the project on this side. `cwd` is
    the folder that its processes work in: of base the one that lies in its tree where the command
    was given in head's. `options`: what is built, verified and timed; None: what the duet says.
    `path`: the entries of PYTHONPATH; None: those of this process. `top` is the root of the work
    tree, where base is a revision, and `origin` that of the user's own, where `top` is another;
    `commit` and `merge_base_of` as revision.Base has them, of head the commit that is checked out.
    `lacking` says why a file of this side's commit is not here, by its path, and is None of the
    user's own tree; `models` why a model cannot be meant, by name.
    """

    label: str
    python: str
    folder: Path
    notes: tuple[str, ...] = ()
    same: str = ""
    tree: Path = Path()
    cwd: Path = Path()
    options: Options | None = None
    path: tuple[str, ...] | None = None
    top: Path | None = None
    origin: Path | None = None
    commit: str = ""
    merge_base_of: str = ""
    lacking: Mapping[Path, str] | None = None
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def trees(self) -> dict[str, str] | None:
        """The work trees that Strays keeps apart; None where the side has the user's own."""
        if self.top is None or self.origin is None:
            return None
        return {"own": str(self.top), "other": str(self.origin)}

    @property
    def command(self) -> tuple[str, ...]:
        return (self.python, "-P", "-m", worker_of(self.folder) or WORKERS[0])


def head() -> Side:
    """The vitbench of this process, in the environment of this process."""
    return Side("this checkout", sys.executable, ROOT)


@contextmanager
def code_of_head() -> Iterator[Path]:
    """A folder from which another interpreter imports the vitbench of head, and nothing else.

    Where vitbench is installed, torch lies beside it: on the path of the other interpreter it would
    replace the torch that is to be compared.
    """
    if CHECKOUT:
        yield CHECKOUT
        return
    with cleaning_first(), tempfile.TemporaryDirectory(prefix="vitbench-code-") as folder:
        (Path(folder) / PACKAGE.name).symlink_to(PACKAGE)
        yield Path(folder)


def worker_of(folder: Path) -> str | None:
    """The module that starts an arm of the vitbench in `folder`; None where there is none."""
    files = {name: folder.joinpath(*name.split(".")).with_suffix(".py") for name in WORKERS}
    return next((name for name, file in files.items() if file.is_file()), None)


def with_arm(folder: Path, against: str) -> Path:
    if worker_of(folder) is None:
        raise UserError(
            f"--against={against}: its vitbench is too old for a duet (it has neither "
            f"{' nor '.join(WORKERS)}): name a newer revision, or compare environments"
        )
    return folder
