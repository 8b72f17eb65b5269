"""The digest of the files that a project's code may read: of a commit, and of a tree as it lies."""

import pytest

from tests.helpers.repositories import Repository
from vitbench.duet.tree_digest import of_commit, of_head


@pytest.fixture
def repository(tmp_path):
    found = Repository(tmp_path / "r")
    for name in ("conf/act.conf", "acme/a.py", "README.md", "pyproject.toml", "tests/test_a.py"):
        found.write(name, name)
    found.commit_all()
    return found


def test_a_clean_tree_is_its_commit(repository):
    assert of_head(repository.folder / "conf") == of_commit(repository.folder, "HEAD")


@pytest.mark.parametrize("name", ["conf/act.conf", "acme/a.py", "new.json"])
def test_what_code_may_read_counts_before_and_after_it_is_committed(repository, name):
    then = of_head(repository.folder)
    repository.write(name, "changed")
    assert of_head(repository.folder) != then
    repository.git("add", name)
    changed = of_head(repository.folder)
    repository.git("commit", "-qm", "x")
    assert of_head(repository.folder) == changed == of_commit(repository.folder, "HEAD") != then


def test_a_file_that_is_gone_or_executable_counts(repository):
    then, path = of_head(repository.folder), repository.folder / "conf" / "act.conf"
    path.chmod(0o755)
    other = of_head(repository.folder)
    path.unlink()
    assert len({then, other, of_head(repository.folder)}) == 3


@pytest.mark.parametrize("name", ["README.md", "pyproject.toml", "tests/test_a.py", "docs/x.txt"])
def test_what_no_model_reads_does_not_count(repository, name):
    then = of_head(repository.folder)
    repository.write(name, "changed")
    assert of_head(repository.folder) == then


def test_without_a_repository_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert of_head(tmp_path) == ""
