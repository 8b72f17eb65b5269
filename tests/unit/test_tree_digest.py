"""The digest of the files that a project's code may read, in a tree as it lies."""

import os

import pytest

from tests.helpers.repositories import Repository
from vitbench.duet.base import tree_digest
from vitbench.duet.base.tree_digest import edited, of_tree, overlooked, tracked_files
from vitbench.duet.base.work_tree import checked_out

NAMES = ["conf/act.conf", "acme/a.py", "README.md", "pyproject.toml", "tests/test_a.py",
         "conf/test/model.json", "acme/doc/vocab.txt", "acme/reports/layers.json",
         "reports/kept.json", "acme/\udcff.txt"]  # fmt: skip


@pytest.fixture
def repository(tmp_path):
    found = Repository(tmp_path / "r")
    for name in NAMES:
        found.write(name, "content")
    found.write(".gitignore", "__pycache__\n*.ignored\nlocal.json\n")
    found.commit_all()
    return found


def digest(repository):
    return of_tree(repository.folder, [repository.folder])


def test_a_clean_tree_is_its_commit(repository):
    then = digest(repository)
    repository.write("acme/a.py", "changed")
    assert of_tree(repository.folder / "conf", [repository.folder]) != then
    with checked_out("HEAD", repository.folder) as tree:
        assert of_tree(tree, [tree]) == then


@pytest.mark.parametrize("name", NAMES)
def test_what_code_may_read_counts_before_and_after_it_is_committed(repository, name):
    then = digest(repository)
    repository.write(name, "changed")
    changed = digest(repository)
    repository.git("add", name)
    assert digest(repository) == changed
    repository.git("commit", "-qm", "x")
    assert digest(repository) == changed != then


def test_a_file_that_is_gone_or_executable_counts(repository):
    then, path = digest(repository), repository.folder / "conf" / "act.conf"
    path.chmod(0o755)
    other = digest(repository)
    path.unlink()
    assert len({then, other, digest(repository)}) == 3


@pytest.mark.parametrize("name", ["new.json", "x/new.json", "acme/a.ignored", "local.json"])
def test_what_git_does_not_track_counts_by_its_contents(repository, name):
    found = [digest(repository)]
    for content in ("one", "two", "one"):
        repository.write(name, content)
        found.append(digest(repository))
    assert len(set(found)) == 3
    assert found[1] == found[3]


@pytest.mark.parametrize(
    "name", ["reports/new.json", "log.ignored", "out/a.ignored", "acme/__pycache__/a.pyc"]
)
def test_what_runs_write_does_not_count(repository, name):
    then = digest(repository)
    repository.write(name, "new")
    assert digest(repository) == then


@pytest.mark.parametrize("limit", ["LARGE", "TOGETHER"])
def test_large_files_that_git_does_not_track_count_by_size_and_time(repository, monkeypatch, limit):
    monkeypatch.setattr(tree_digest, limit, 1)
    path, found = repository.write("new.json", "one"), set()
    for seconds in (1, 1, 2):
        os.utime(path, (seconds, seconds))
        found.add(digest(repository))
    assert len(found) == 2


@pytest.mark.parametrize("option", ["--skip-worktree", "--assume-unchanged"])
def test_a_file_that_git_is_told_to_overlook_counts(repository, option):
    then = digest(repository)
    repository.git("update-index", option, "conf/act.conf")
    assert digest(repository) == then
    assert overlooked(repository.folder) == []
    repository.write("conf/act.conf", "changed")
    assert digest(repository) != then
    assert overlooked(repository.folder) == ["conf/act.conf"]


def test_where_a_link_leads_counts(repository):
    link = repository.folder / "conf" / "link"
    link.symlink_to("act.conf")
    repository.commit_all()
    found = {digest(repository)}
    for target in ("../acme", "../tests"):
        link.unlink()
        link.symlink_to(target)
        found.add(digest(repository))
    assert len(found) == 3


@pytest.mark.parametrize("name", ["nested/a.txt", "nested/new.txt"])
@pytest.mark.parametrize("submodule", [True, False])
def test_each_state_of_a_repository_inside_counts(repository, name, submodule):
    inner = Repository(repository.folder / "nested")
    inner.commit("a.txt")
    if submodule:
        repository.commit_all()
    found = {digest(repository)}
    for content in ("one", "two"):
        inner.write(name, content)
        found.add(digest(repository))
    assert len(found) == 3


def test_a_filter_that_fails_hides_no_change(repository):
    found = set()
    repository.write(".gitattributes", "*.conf filter=gone\n")
    repository.git("config", "filter.gone.clean", "false")
    repository.git("config", "filter.gone.required", "true")
    for content in ("one", "two"):
        repository.write("conf/act.conf", content)
        found.add(digest(repository))
    assert len(found) == 2
    assert "" not in found


def test_without_a_repository_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert of_tree(tmp_path) == ""


def test_what_is_edited_meanwhile_is_named(repository):
    before = tracked_files(repository.folder)
    assert edited(repository.folder, before) == []
    (repository.folder / "reports").mkdir(exist_ok=True)
    (repository.folder / "reports" / "new.json").write_text("{}")
    assert edited(repository.folder, before) == []
    name = next(iter(before))
    (repository.folder / name).write_text("another")
    assert edited(repository.folder, before) == [name]
