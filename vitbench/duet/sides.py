"""The sides of a duet: head, and as its base a git revision, a checkout or an environment."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from vitbench import environment
from vitbench.duet.asked import Asked
from vitbench.duet.base_artifacts import artifact_notes, given_artifacts, with_artifacts
from vitbench.duet.base_options import options_of_base
from vitbench.duet.dependencies import packages_note
from vitbench.duet.own_paths import below
from vitbench.duet.prepare_base import prepare_base
from vitbench.duet.revision import CODE, Base, base_of, changed_files, commit_of, git, refs
from vitbench.duet.submodules import fill
from vitbench.duet.untracked import Untracked
from vitbench.duet.work_tree import checked_out
from vitbench.errors import UserError
from vitbench.measure.options import Options
from vitbench.place import CHECKOUT, PACKAGE
from vitbench.project.project import Project

ROOT = Path(__file__).resolve().parents[2]
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
    tree, where base is a revision; `commit` and `merge_base_of` as revision.Base has them, of head
    the commit that is checked out. `lacking` says why a file of this side's commit is not here, by
    its path, and is None of the user's own tree; `models` why a model cannot be meant, by name.
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
    commit: str = ""
    merge_base_of: str = ""
    lacking: Mapping[Path, str] | None = None
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> tuple[str, ...]:
        return (self.python, "-P", "-m", worker_of(self.folder) or WORKERS[0])


def head() -> Side:
    """The vitbench of this process, in the environment of this process."""
    return Side("this checkout", sys.executable, ROOT)


@contextmanager
def sides_of(asked: Asked) -> Iterator[Mapping[str, Side]]:
    """Base and head, usable until the context ends. Raises UserError as `base`."""
    with _code_of_head() as code, base(asked, code) as other:
        this = _of_head(replace(head(), folder=code), asked)
        yield {"base": other, "head": this if other.top is None else _checked_out(this, asked)}


@contextmanager
def base(asked: Asked, code: Path) -> Iterator[Side]:
    """What `--against` names, usable until the context ends. `code`: where head's vitbench lies.

    A path of an interpreter, or of a folder with bin/python, is an environment: base runs there,
    with the vitbench of head. A folder with a vitbench in it is a checkout. Anything else is a git
    revision (revision.base_of) of the repository that holds the project: a temporary work tree,
    removed at the end. Raises UserError where it is none of them, or both a path and a revision.
    """
    against, project = asked.against, asked.project.root
    if not against.strip():  # as of a variable that is not set
        raise UserError(
            f"--against={against}: the value is empty: give a revision, a checkout or an "
            "environment"
        )
    path = environment.absolute(against, asked.start, "--against")
    interpreter = path if path.is_file() else path / "bin" / "python"
    if interpreter.is_file() and _interpreter(interpreter):
        _no_revision(against, project)
        same = "base and head are one environment" if _running(interpreter) else ""
        yield _beside(Side(f"environment {path.name}", str(interpreter), code, (), same), asked)
    elif path.is_dir() and (path / "vitbench").is_dir():
        _no_revision(against, project)
        folder = _with_arm(path, against)
        other = Side(f"checkout {path.name}", sys.executable, folder, (), _same_files(folder))
        yield _beside(other, asked)
    elif path.exists() and not _revision(against, project):
        if path.is_file():
            raise UserError(
                f"--against={against}: this file is no Python interpreter: name an environment, "
                "its bin/python, a checkout or a git revision"
            )
        raise UserError(
            f"--against={against}: neither an environment (no bin/python in it) nor a checkout of "
            "vitbench"
        )
    else:
        with _revision_of(asked, code) as side:
            yield side


def _of_head(side: Side, asked: Asked) -> Side:
    """A side that has head's project."""
    return replace(side, tree=asked.project.root, cwd=asked.start, options=asked.options)


def _beside(side: Side, asked: Asked) -> Side:
    """Another environment or checkout, which has head's project but for the artifacts of base."""
    given = given_artifacts(asked.base_artifacts, asked.project.variants, asked.start)
    own = asked.options.project_variants
    options = replace(
        asked.options, project_variants=with_artifacts(own, asked.project.variants, given)
    )
    found, same = _of_head(side, asked), "" if given else side.same
    return replace(found, options=options, notes=(*side.notes, *artifact_notes(given)), same=same)


def _checked_out(side: Side, asked: Asked) -> Side:
    """Head, where base is a revision: its label has the commit."""
    top, commit = _top(asked.project.root), commit_of("HEAD", asked.against, asked.project.root)
    return replace(side, label=f"{side.label} ({commit[:10]})", top=top, commit=commit)


@contextmanager
def _code_of_head() -> Iterator[Path]:
    """A folder from which another interpreter imports the vitbench of head, and nothing else.

    Where vitbench is installed, torch lies beside it: on the path of the other interpreter it would
    replace the torch that is to be compared.
    """
    if CHECKOUT:
        yield CHECKOUT
        return
    with tempfile.TemporaryDirectory(prefix="vitbench-code-") as folder:
        (Path(folder) / PACKAGE.name).symlink_to(PACKAGE)
        yield Path(folder)


@contextmanager
def _revision_of(asked: Asked, code: Path) -> Iterator[Side]:
    """A revision of the repository that holds the project, in a work tree of its own.

    Its vitbench is head's, too, unless that lies in the same repository.
    """
    found = standing(asked.against, asked.project, asked.tip)
    same = "" if asked.base_artifacts else found.same
    if same:
        asked = replace(asked, prepare_seconds=None)
    label = f"{asked.against} ({found.commit[:10]})"
    with side_of_commit(asked, found.commit, label, code) as side:
        own = (*found.notes, *side.notes)
        yield replace(side, notes=own, same=same, merge_base_of=found.merge_base_of)


@dataclass(frozen=True)
class Standing(Base):
    """`same`: why base is the same as head; empty where the two differ."""

    same: str = ""


def standing(against: str, project: Project, tip: bool) -> Standing:
    """The commit of base, what a person should know of both sides, and whether they differ. Raises
    UserError as `base_of`."""
    root = project.root
    found, here = base_of(against, root, tip), commit_of("HEAD", against, root)
    changed, notes, same = _changed(project, _top(root)), found.notes, ""
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        notes += (f"head has uncommitted changes: {', '.join(changed[:3])}{more}",)
    elif found.commit == here:
        same = f"base and head are one commit, {here[:10]}, and no file is changed"
    return Standing(found.commit, notes, found.merge_base_of, same)


@contextmanager
def commits_of(asked: Asked) -> Iterator[Callable[[str, str], AbstractContextManager[Side]]]:
    """What checks out a commit, as a side with a label; usable until the context ends."""
    with _code_of_head() as code:
        yield lambda commit, label: side_of_commit(
            replace(asked, against=label), commit, label, code, label
        )


@contextmanager
def side_of_commit(
    asked: Asked, commit: str, label: str, code: Path, who: str = "base"
) -> Iterator[Side]:
    """A commit of the repository that holds the project, in a work tree of its own. `who` is the
    side for people."""
    against, project = asked.against, asked.project.root
    top = _top(project)
    with checked_out(commit, top) as tree:
        notes = fill(tree, top)
        root = tree / (below(project.resolve(), top) or "")
        if not root.is_dir():
            raise UserError(f"--against={against}: base has no folder {root.relative_to(tree)}")
        files = Untracked(top, tree)
        notes += prepare_base(asked, root, files, who)
        own = _own_vitbench(top, tree)
        if own is not None:
            code = _with_arm(own, against)
        read = options_of_base(asked, root, files)
        notes += (*read.notes, *packages_note(root, project))
        within = below(asked.start.resolve(), top)
        cwd = asked.start if within is None else tree / within
        cwd.mkdir(parents=True, exist_ok=True)  # of a folder that is new in head
        path = tuple(_mapped(each, top, tree) for each in _entries())
        yield Side(
            label,
            sys.executable,
            code,
            notes,
            "",
            root,
            cwd,
            read.options,
            path,
            tree,
            commit,
            lacking=read.lacking,
            models=read.models,
        )


def _changed(project: Project, top: Path) -> list[str]:
    """The files of head's work tree that its commit does not have so. Where a project's root is an
    import root, its packages are code, and not all that lies there."""
    roots = [below(each.resolve(), top) for each in project.import_roots]
    place = below(project.root.resolve(), top) or Path()
    code = {each.as_posix() for each in roots if each not in (None, Path(), place)}
    own = below(CHECKOUT.resolve(), top) if CHECKOUT else None
    code |= set() if own is None else {(own / each).as_posix() for each in CODE}
    return changed_files(top, code, (place / "reports").as_posix())


def _entries() -> list[str]:
    """The entries of PYTHONPATH."""
    return [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]


def _mapped(entry: str, top: Path, tree: Path) -> str:
    """An entry of PYTHONPATH as base has it: below head's work tree, base's folder of that name."""
    within = below(Path(entry), top) if Path(entry).is_absolute() else None
    return str(tree / within) if within is not None and (tree / within).exists() else entry


def _top(project: Path) -> Path:
    """The root of the work tree that a folder lies in."""
    return Path(git(project, "rev-parse", "--show-toplevel")).resolve()


def _own_vitbench(top: Path, tree: Path) -> Path | None:
    """The folder of base's vitbench, where head's is a checkout in the same work tree `top`, as
    `tree` has it; None where vitbench comes from elsewhere."""
    if CHECKOUT is None:
        return None
    with suppress(UserError):
        within = below(CHECKOUT.resolve(), top)
        if within is not None and _top(CHECKOUT) == top and (tree / within / PACKAGE.name).is_dir():
            return tree / within
    return None


def names_revision(against: str, start: Path, project: Path) -> bool:
    """Whether base is a revision of the project's repository, and so a tree of its own. What is
    neither that nor anything else, `base` refuses."""
    path = environment.absolute(against, start, "--against")
    interpreter = path if path.is_file() else path / "bin" / "python"
    other = interpreter.is_file() and _interpreter(interpreter)
    return not other and not (path / "vitbench").is_dir() and _revision(against, project)


def _no_revision(against: str, project: Path) -> None:
    """Raises UserError where a branch or a tag is called as a path is: it may mean either."""
    named: list[str] = []
    with suppress(UserError):  # without git there is no revision
        named = refs(against, project)
    if named:
        raise UserError(
            f"--against={against}: both a path and a revision have this name: write one of "
            f"./{against}, {', '.join(named)}"
        )


def _interpreter(path: Path) -> bool:
    """Whether a file may be run as Python. One of another name is not tried: a script would run."""
    return path.name.startswith(("python", "pypy")) and os.access(path, os.X_OK)


def _running(interpreter: Path) -> bool:
    """Whether it is the interpreter of this process, in the same environment."""
    this = Path(sys.executable)
    return (interpreter.parent.resolve(), interpreter.resolve()) == (
        this.parent.resolve(),
        this.resolve(),
    )


def _same_files(folder: Path) -> str:
    """Why another checkout is no other than this one, or nothing."""
    if folder.resolve() == ROOT.resolve():
        return "base and head are one folder"
    if not all((each / ".git").exists() for each in (folder, ROOT)):
        return ""
    with suppress(UserError):  # a repository without a commit is no other's
        commits = {commit_of("HEAD", str(each), each) for each in (folder, ROOT)}
        if len(commits) == 1 and not changed_files(folder) and not changed_files(ROOT):
            return f"base and head are one commit, {commits.pop()[:10]}, and no file is changed"
    return ""


def _revision(against: str, project: Path) -> bool:
    try:
        return bool(base_of(against, project))
    except UserError:
        return False


def worker_of(folder: Path) -> str | None:
    """The module that starts an arm of the vitbench in `folder`; None where there is none."""
    files = {name: folder.joinpath(*name.split(".")).with_suffix(".py") for name in WORKERS}
    return next((name for name, file in files.items() if file.is_file()), None)


def _with_arm(folder: Path, against: str) -> Path:
    if worker_of(folder) is None:
        raise UserError(
            f"--against={against}: its vitbench is too old for a duet (it has neither "
            f"{' nor '.join(WORKERS)}): name a newer revision, or compare environments"
        )
    return folder
