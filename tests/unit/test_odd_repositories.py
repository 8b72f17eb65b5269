"""Repositories that are not as most: each works, or is one sentence with git's own reason."""

import os

import pytest

from tests.helpers.asked import base
from tests.helpers.repositories import Repository, pointer
from vitbench.duet.base.revision import base_of, changed_files, git
from vitbench.errors import UserError


def test_a_repository_without_a_commit(tmp_path):
    empty = Repository(tmp_path / "empty")
    for name in ("HEAD", "main"):
        with pytest.raises(
            UserError, match=r"bad revision .*; this repository has no commit yet\)"
        ):
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


@pytest.fixture
def team(tmp_path):
    """`topic`, which is checked out, left `main` before the file `late`."""
    repository = Repository(tmp_path / "team")
    repository.commit("app/model.py", "data/large")
    repository.git("checkout", "-qb", "topic")
    repository.commit("app/new.py")
    return repository


def files(tree):
    return sorted(
        path.relative_to(tree).as_posix()
        for path in tree.rglob("*")
        if path.is_file() and path.name != ".git"
    )


def test_a_linked_work_tree_is_a_head_as_any(team, tmp_path):
    linked = tmp_path / "linked"
    team.git("worktree", "add", "-q", "-b", "other", str(linked), "topic")
    (linked / "app/new.py").write_text("changed")
    with base("main", linked / "app") as side:
        assert side.tree.name == "app"
        assert files(side.tree) == ["model.py"]
        assert side.notes == ("head has uncommitted changes: app/new.py",)
    assert len(team.git("worktree", "list").splitlines()) == 2


def test_work_trees_of_a_bare_repository(team, tmp_path):
    team.git("clone", "-q", "--bare", str(team.folder), str(tmp_path / "bare.git"))
    git(tmp_path / "bare.git", "worktree", "add", "-q", str(tmp_path / "linked"), "topic")
    with base("main", tmp_path / "linked") as side:
        assert files(side.tree) == ["app/model.py", "data/large"]
    with (
        pytest.raises(UserError, match="git rev-parse failed: this operation must be run in a w"),
        base("main", tmp_path / "bare.git"),
    ):
        pass


def test_a_detached_head(team):
    team.git("checkout", "-q", "--detach")
    with base("main", team.folder) as side:
        assert files(side.tree) == ["app/model.py", "data/large"]


def test_a_sparse_checkout_has_a_sparse_base(team):
    """What head leaves out, base leaves out."""
    team.git("sparse-checkout", "set", "app")
    assert not (team.folder / "data").exists()
    with base("main", team.folder) as side:
        assert files(side.tree) == ["app/model.py"]
        assert side.same == ""
    assert files(team.folder / "app") == ["model.py", "new.py"]


def test_a_partial_clone_without_its_origin(team, tmp_path):
    """Files of base that were never fetched are git's own reason."""
    team.git("config", "uploadpack.allowFilter", "true")
    partial = Repository(tmp_path / "partial")
    partial.git("remote", "add", "origin", f"file://{team.folder}")
    partial.git("config", "extensions.partialClone", "origin")
    partial.git(
        "fetch", "-q", "--filter=blob:none", "origin", "+refs/heads/*:refs/remotes/origin/*"
    )
    partial.git("checkout", "-q", "-b", "here", "origin/topic")
    with base("origin/main", partial.folder) as side:
        assert "app/model.py" in files(side.tree)
    team.git("checkout", "-q", "main")
    team.commit("app/late.py")
    partial.git(
        "fetch", "-q", "--filter=blob:none", "origin", "+refs/heads/*:refs/remotes/origin/*"
    )
    team.folder.rename(tmp_path / "gone")
    with (
        pytest.raises(UserError, match=r"git worktree failed: .*gone|.*not appear to be a git rep"),
        base("origin/main", partial.folder, tip=True),
    ):
        pass


def test_a_folder_of_somebody_else(team, monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):  # they may trust every folder
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with (
        pytest.raises(UserError, match=r"dubious ownership in repository .* safe\.directory"),
        base("main", team.folder),
    ):
        pass


def test_a_filter_of_git_lfs_that_finds_nothing_leaves_pointers(team):
    """As without a network: what is here by its digest is taken all the same."""
    content = b"weights of base"
    team.git("checkout", "-q", "main")
    team.write("model.pth", pointer(content))
    team.write(".gitattributes", "*.pth filter=lfs")
    team.commit_all()
    for key, value in (("required", "true"), ("smudge", "false"), ("clean", "cat")):
        team.git("config", f"filter.lfs.{key}", value)
    with base("main", team.folder) as side:
        assert (side.tree / "model.pth").read_bytes() == pointer(content)
    for key, value in (("required", "true"), ("smudge", "false"), ("clean", "cat")):
        team.git("config", f"filter.other.{key}", value)
    team.write(".gitattributes", "*.pth filter=other")
    team.git("commit", "-qam", "another filter")
    with (
        pytest.raises(UserError, match=r"git worktree failed: .*smudge filter other failed"),
        base("main~0", team.folder),
    ):
        pass
