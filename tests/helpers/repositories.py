"""Small git repositories, and what lies in them in place of large files."""

import hashlib
import os
import subprocess
from pathlib import Path

WHO = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "n",
       "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull,
       "GIT_CONFIG_SYSTEM": os.devnull}  # fmt: skip


class Repository:
    """A repository in a new folder, on the branch `main`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, text=True, capture_output=True, check=True,
            env={**os.environ, **WHO},
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, *names: str) -> str:
        """A commit for each name, which adds a file of that name; the last commit."""
        for name in names:
            self.write(name, name)
            self.git("add", name)
            self.git("commit", "-qm", name)
        return self.git("rev-parse", "HEAD")

    def commit_all(self, message: str = "all") -> str:
        """A commit of everything that is not ignored."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


def pointer(content: bytes) -> bytes:
    """What Git LFS commits in place of a file with this content."""
    digest = hashlib.sha256(content).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    ).encode()
