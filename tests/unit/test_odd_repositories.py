"""Repositories that are not as most: each works, or is one sentence with git's own reason."""

import pytest

from tests.helpers.repositories import Repository
from vitbench.duet.revision import base_of, changed_files, git
from vitbench.errors import UserError


def test_a_repository_without_a_commit(tmp_path):
    empty = Repository(tmp_path / "empty")
    for name in ("HEAD", "main"):
        with pytest.raises(UserError, match=r"--against=\w+: neither a git revision here nor"):
            base_of(name, empty.folder)


def test_git_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git cannot be run: No such file or directory; --against"):
        base_of("main", tmp_path)


def test_a_hook_of_git_may_play_a_duet(tmp_path, monkeypatch):
    """git tells its hooks by variables where they work: those are no folders of base."""
    repository, other = Repository(tmp_path / "r"), Repository(tmp_path / "other")
    commit = repository.commit("one", "two")
    other.commit("three")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index.lock")
    assert base_of("main", repository.folder).commit == commit
    assert changed_files(repository.folder) == []


def test_the_command_that_failed_is_named(tmp_path):
    repository = Repository(tmp_path / "r")
    with pytest.raises(UserError, match="git checkout failed: pathspec 'none' did not match"):
        git(repository.folder, "-c", "core.hooksPath=/dev/null", "checkout", "none")
