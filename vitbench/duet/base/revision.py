"""Which commit a revision names as a base, and whether head differs from it. git does the work.

Every function takes the folder of the repository. UserError has git's own reason.
"""

import os
import re
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vitbench.errors import UserError, counted

_RANGE = re.compile(r"(?P<left>.*?)(?P<dots>\.{2,3})(?P<right>.*)", re.DOTALL)
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFS = ("refs/heads/", "refs/tags/", "refs/remotes/")
_BRANCHES = ("refs/heads/", "refs/remotes/")
CODE = ("vitbench", "fixtures", "benchmarks")
"""Of vitbench's own checkout: the folders where a file that git does not know is code."""
SOURCES = frozenset(
    {".py", ".pyx", ".so", ".pyd", ".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".cu", ".cuh"}
)
_MADE = ("__pycache__", ".egg-info", ".dist-info")
"""What installing and importing leave beside code."""


@dataclass(frozen=True)
class Base:
    """The commit that a revision names as base, and what a person should know of it. It is the
    merge-base of head and `merge_base_of`, where that is not empty."""

    commit: str
    notes: tuple[str, ...] = ()
    merge_base_of: str = ""


def base_of(text: str, root: Path, tip: bool = False) -> Base:
    """The commit to compare head with; head is what is checked out at `root`.

    Of a branch, local or remote-tracking, the merge-base with head: what the branch got since is no
    change of head's. With `tip` the newest commit of the branch. A tag or another commit as it is.
    Of `A...B` the merge-base of both, where B is what is checked out. Raises UserError where git
    knows no such commit, or the name is two.
    """
    parts = _RANGE.fullmatch(text)
    if parts and not set(Path(text).parts) & {".", ".."} and not text.startswith(":/"):
        return _range(text, parts["left"], parts["dots"], parts["right"], root)
    named = refs(text, root)
    if len(named) > 1:
        raise UserError(
            f"--against={text}: several branches or tags have this name: write one of "
            f"{', '.join(named)}"
        )
    commit, head = commit_of(text, text, root), commit_of("HEAD", text, root)
    full = _run(root, "rev-parse", "--verify", "--quiet", "--symbolic-full-name", text).stdout
    if full.startswith(_BRANCHES) and not tip:
        return _merge_base(text, (commit, text), head, root)
    lacks = int(git(root, "rev-list", "--count", commit, f"^{head}"))
    return Base(
        commit, (f"{text} has {counted(lacks, 'commit')} that head lacks",) if lacks else ()
    )


def _range(text: str, left: str, dots: str, right: str, root: Path) -> Base:
    left, right = left or "HEAD", right or "HEAD"
    if dots == "..":
        raise UserError(
            f"--against={text}: a range is no base: write --against={left}, or {left}...{right} "
            "for their merge-base"
        )
    commits = [commit_of(name, text, root) for name in (left, right)]
    head = commit_of("HEAD", text, root)
    if commits[1] != head:
        raise UserError(
            f"--against={text}: head is what is checked out here, {head[:10]}, and {right} is "
            f"{commits[1][:10]}: check that out, or write --against={left}"
        )
    return _merge_base(text, (commits[0], left), head, root)


def _merge_base(text: str, other: tuple[str, str], head: str, root: Path) -> Base:
    """`other` is the commit and its name."""
    commit, name = other
    done = _run(root, "merge-base", commit, head)
    if done.returncode:
        why = _reason(done) or "they have no commit in common"
        raise UserError(
            f"--against={text}: no merge-base of {name} and head: {why}{_shallow(root)}"
        )
    found = done.stdout.split()[0]
    since = int(git(root, "rev-list", "--count", commit, f"^{head}"))
    if not since:
        return Base(found, (), name)
    note = (
        f"base is {found[:10]}, where head left {name}, which has {counted(since, 'commit')} since"
    )
    return Base(found, (note,), name)


def commit_of(name: str, text: str, root: Path) -> str:
    """The commit of a name; `text` is what the user wrote."""
    done = _run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
    if done.returncode == 0:
        # Of an older git the answer begins with the option.
        found = done.stdout.split()[-1]
        done = _run(root, "rev-parse", "--verify", "--end-of-options", f"{found}^{{commit}}")
    if done.returncode == 0 and _COMMIT.fullmatch(done.stdout.split()[-1]):
        return done.stdout.split()[-1]
    reason = _reason(done)
    if reason and _COMMIT.fullmatch(name):  # git looks for no object before it is used
        reason += _shallow(root)
    if not reason:
        tried = _run(root, "rev-list", "--max-count=1", "--end-of-options", name, "--")
        several = "" if tried.returncode else f"{name!r} is no single commit"
        reason = (several or _reason(tried)) + ("" if several else _hint(name, root))
    raise UserError(
        f"--against={text}: neither a git revision here nor the path of an environment or a "
        f"checkout (git: {reason})"
    )


def refs(text: str, root: Path) -> list[str]:
    """The full names of the branches and tags that are called just so; none where git fails."""
    names = [prefix + text for prefix in _REFS]
    done = _run(root, "for-each-ref", "--format=%(refname)", *names)
    return [name for name in done.stdout.splitlines() if name in names]


def changed_files(root: Path, code: Collection[str] = CODE, reports: str = "reports") -> list[str]:
    """The files that differ from head's commit: changed files, and code that git does not know.

    `root` is the root of the work tree; all names are relative to it. Of what git does not know,
    sources are code anywhere, and any file in the folders `code` or in a package. What lies in the
    folder `reports` is data and no change. Raises UserError where git fails.
    """
    data = f":(exclude){reports}"
    how = ("--name-only", "-z", "--ignore-submodules=untracked")
    known = names(root, "diff", *how, "HEAD", "--", ".", data)
    unknown = names(root, "ls-files", "-z", "--others", "--exclude-standard", "--", ".", data)
    found = [*known, *(name for name in unknown if _is_code(root, name, code))]
    return [os.fsencode(name).decode(errors="replace") for name in found]


def _is_code(root: Path, name: str, folders: Collection[str]) -> bool:
    path = Path(name)
    if any(part.endswith(_MADE) for part in path.parts):
        return False
    within = any(path.is_relative_to(folder) for folder in folders)
    return within or path.suffix in SOURCES or (root / path.parent / "__init__.py").is_file()


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises UserError with its reason."""
    done = _run(root, *arguments)
    _require_done(done, arguments)
    return done.stdout.strip()


def names(root: Path, *arguments: str) -> list[str]:
    """The names that git prints with `-z`, as Python opens them: one that is no UTF-8, too. Raises
    UserError with its reason."""
    done = _run(root, *arguments, errors="surrogateescape")
    _require_done(done, arguments)
    return [name for name in done.stdout.split("\0") if name]


def top_of(folder: Path) -> Path:
    """The root of the work tree that a folder lies in, resolved. Raises UserError for none."""
    done = _run(folder, "rev-parse", "--show-toplevel", errors="surrogateescape")
    _require_done(done, ["rev-parse"])
    return Path(done.stdout.removesuffix("\n")).resolve()


def _require_done(done: subprocess.CompletedProcess[str], arguments: Sequence[str]) -> None:
    if done.returncode:
        words = list(arguments)
        while words[:1] == ["-c"]:
            del words[:2]
        raise UserError(f"git {words[0]} failed: {_reason(done) or 'it gave no reason'}")


def _run(root: Path, *arguments: str, errors: str = "replace") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding=sys.getfilesystemencoding(),
            errors=errors,
        )
    except OSError as error:
        raise UserError(f"git cannot be run: {error.strerror}; --against REV needs it") from error


def _environment() -> dict[str, str]:
    """Without what git sets for its hooks, where a duet may be played: it names other folders than
    those that git is to work in here. And git asks nobody for a password."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    return {**kept, "GIT_TERMINAL_PROMPT": "0"}


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """All that git printed, as a sentence: its later lines say what to do."""
    said = " ".join(os.fsencode(done.stderr).decode(errors="replace").split())
    return re.sub(r"\b(fatal|error): ", "", said)


def _hint(name: str, root: Path) -> str:
    """What may help where git knows no such revision."""
    if _run(root, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        return "; this repository has no commit yet"
    remote, _, branch = name.partition("/")
    if branch and remote in git(root, "remote").split():
        return f"; git fetch {remote} {branch}:refs/remotes/{name} brings it{_shallow(root)}"
    known = git(root, "for-each-ref", "--format=%(refname:short)").split()
    close = get_close_matches(name, known, 1, 0.7)
    return (f"; did you mean {close[0]}?" if close else "") + _shallow(root)


def _shallow(root: Path) -> str:
    done = _run(root, "rev-parse", "--is-shallow-repository")
    if done.stdout.strip() != "true":
        return ""
    return (
        "; this clone is shallow: git fetch --unshallow brings the rest (fetch-depth: 0 for "
        "actions/checkout, GIT_DEPTH: 0 on GitLab)"
    )
