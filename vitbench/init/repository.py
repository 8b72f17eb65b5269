"""What `vitbench init` asks of a repository: where its top is, who runs its CI, its packages."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vitbench.errors import UserError

HOSTS = ("github", "gitlab")
FOLDERS = {"github": (".github",), "gitlab": (".gitlab-ci.yml", ".gitlab")}
NO_CODE = frozenset(
    {"benchmarks", "build", "dist", "docs", "examples", "fixtures", "scripts", "test", "tests"}
)


@dataclass(frozen=True)
class Guess:
    """Who runs the CI, `github` or `gitlab`, or None; and why, as the end of a sentence."""

    host: str | None
    why: str


def top_of(folder: Path) -> Path | None:
    """The top of the git repository that a folder lies in, or None."""
    found = _git(folder, "rev-parse", "--show-toplevel")
    return Path(found) if found else None


def guess(folder: Path) -> Guess:
    """By the addresses of git's remotes, `origin` first; else by the files of a CI."""
    names = _git(folder, "remote").split()
    for name in sorted(names, key=lambda each: each != "origin"):
        address = _git(folder, "remote", "get-url", name)
        if host := next((each for each in HOSTS if each in _host_of(address)), None):
            return Guess(host, f"the remote {name} is of {host}")
    for host, places in FOLDERS.items():
        if found := next((each for each in places if (folder / each).exists()), None):
            return Guess(host, f"{found} is there")
    return Guess(None, "neither a remote nor a file says who runs it")


def packages(folder: Path) -> list[str]:
    """The packages that Python can import from `src/`, or else from the folder itself."""
    place = folder / "src" if (folder / "src").is_dir() else folder
    names = (path.parent.name for path in place.glob("*/__init__.py"))
    return sorted(name for name in names if name.isidentifier() and name not in NO_CODE)


def _host_of(address: str) -> str:
    """The host of https://HOST/..., ssh://git@HOST/..., or git@HOST:..., in lower case."""
    found = re.match(r"(?:\w+://)?(?:[^@/]*@)?([^:/]+)", address)
    return found[1].lower() if found else ""


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; empty where it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UserError(f"git cannot be run: {error.strerror}") from error
    return done.stdout.strip() if done.returncode == 0 else ""
