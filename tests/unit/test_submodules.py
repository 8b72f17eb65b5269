"""Submodules of a new work tree, filled from the clones in the repository, without a network."""

import shutil

import pytest

from tests.helpers.repositories import Repository
from vitbench.duet.base.submodules import fill
from vitbench.errors import UserError

FILE = ("-c", "protocol.file.allow=always")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository with a submodule, which has one itself; `origin` is where they came from."""
    place = tmp_path_factory.mktemp("submodules")
    inner, outer = Repository(place / "inner"), Repository(place / "outer")
    inner.commit("deep.py")
    outer.commit("layers.py")
    outer.git(*FILE, "submodule", "add", "-q", str(inner.folder), "inner")
    outer.commit_all()
    head = Repository(place / "head")
    head.commit("model.py")
    head.git(*FILE, "submodule", "add", "-q", str(outer.folder), "libs/outer")
    head.git(*FILE, "submodule", "update", "-q", "--init", "--recursive")
    head.commit_all()
    for each in (inner, outer):
        each.folder.rename(place / f"gone-{each.folder.name}")  # no network
    return place


@pytest.fixture
def head(made, tmp_path):
    """A copy, in which a test may do as it likes."""
    shutil.copytree(made / "head", tmp_path / "head", symlinks=True)
    found = Repository.__new__(Repository)
    found.folder = tmp_path / "head"
    return found


def base_of(head, commit="HEAD"):
    tree = head.folder.with_name("base")
    head.git("worktree", "add", "-q", "--detach", str(tree), commit)
    return tree


def test_submodules_come_from_the_clones_here(head):
    tree = base_of(head)
    before = head.git("config", "--list", "--local")
    assert not (tree / "libs/outer/layers.py").exists()
    assert fill(tree, head.folder) == ()
    assert (tree / "libs/outer/layers.py").read_text() == "layers.py"
    assert (tree / "libs/outer/inner/deep.py").read_text() == "deep.py"
    assert head.git("config", "--list", "--local") == before
    head.git("worktree", "remove", "--force", str(tree))
    assert not tree.exists()


def test_a_submodule_stands_where_bases_commit_says(head):
    inside = Repository.__new__(Repository)
    inside.folder = head.folder / "libs/outer"
    inside.write("layers.py", "faster")
    inside.commit_all()
    head.commit_all("a newer submodule")
    tree = base_of(head, "HEAD~1")
    assert fill(tree, head.folder) == ()
    assert (tree / "libs/outer/layers.py").read_text() == "layers.py"


def test_a_submodule_that_head_removed_is_still_there(head):
    head.git("rm", "-q", "libs/outer")
    head.commit_all()
    tree = base_of(head, "HEAD~1")
    assert fill(tree, head.folder) == ()
    assert (tree / "libs/outer/inner/deep.py").is_file()


def test_what_head_never_initialised_stays_empty(head, tmp_path):
    """In both; that is no news. What only base has, is one note."""
    clone = Repository(tmp_path / "clone")
    clone.git("pull", "-q", str(head.folder), "HEAD")
    tree = base_of(clone)
    assert fill(tree, clone.folder) == ()
    assert list((tree / "libs/outer").iterdir()) == []
    clone.git("rm", "-q", "libs/outer")
    clone.commit_all()
    assert fill(tree, clone.folder) == (
        "the submodule libs/outer of base stays empty: there is no clone of it here",
    )


def test_a_commit_that_is_nowhere_is_one_sentence(head):
    head.git("update-index", "--cacheinfo", f"160000,{'1' * 40},libs/outer")
    head.git("commit", "-qm", "a commit that nobody pushed")
    with pytest.raises(UserError) as caught:
        fill(base_of(head), head.folder)
    said = str(caught.value)
    assert said.startswith("base needs the submodule libs/outer at 1111111111, which its clone")
    assert "git checkout failed" in said
    assert "git submodule failed" in said
    assert "\n" not in said


def test_a_tree_without_submodules_is_left_alone(tmp_path):
    plain = Repository(tmp_path / "plain")
    plain.commit("model.py")
    assert fill(plain.folder, plain.folder) == ()
