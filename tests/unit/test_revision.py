"""Which commit a revision names as base, in small repositories: merge-bases, and git's reasons."""

import os
import re
import sys

import pytest

from tests.helpers.asked import base
from tests.helpers.repositories import Repository
from vitbench.cli.main import main
from vitbench.duet import sides
from vitbench.duet.base import commit as side_of_commit
from vitbench.duet.base import side as duet_side
from vitbench.duet.base.revision import base_of, changed_files
from vitbench.errors import UserError


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    """`topic`, which is checked out, left `main` at `left`; main went on by two commits."""
    repository = Repository(tmp_path_factory.mktemp("git") / "forked")
    repository.left = repository.commit("vitbench/duet/worker.py")
    repository.git("tag", "v1")
    repository.git("checkout", "-qb", "topic")
    repository.head = repository.commit("README.md")
    repository.git("checkout", "-q", "main")
    repository.main = repository.commit("one", "two")
    repository.git("tag", "v2")
    repository.git("checkout", "-q", "topic")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    return repository


@pytest.mark.parametrize(
    "name",
    ["main", "origin/main", "heads/main", "refs/remotes/origin/main", "main...HEAD", "main...",
     "v2...topic", "v2...HEAD"],
)  # fmt: skip
def test_a_branch_counts_from_where_head_left_it(forked, name):
    found = base_of(name, forked.folder)
    assert found.commit == forked.left
    known = name.partition("...")[0]
    assert found.notes == (
        f"base is {forked.left[:10]}, where head left {known}, which has 2 commits since",
    )
    assert found.merge_base_of == known


@pytest.mark.parametrize("name", ["v2", "main~0", "main^{commit}", ":/two"])
def test_a_tag_or_a_commit_is_taken_as_it_is(forked, name):
    found = base_of(name, forked.folder)
    assert (found.commit, found.notes) == (forked.main, (f"{name} has 2 commits that head lacks",))


@pytest.mark.parametrize("name", ["main", "origin/main"])
def test_the_tip_of_a_branch_is_taken_where_it_is_asked_for(forked, name):
    found = base_of(name, forked.folder, tip=True)
    assert (found.commit, found.merge_base_of) == (forked.main, "")
    assert found.notes == (f"{name} has 2 commits that head lacks",)


@pytest.mark.parametrize("name", ["v1", "HEAD~1", "main~2", "v1...HEAD"])
def test_of_what_head_has_nothing_is_said(forked, name):
    found = base_of(name, forked.folder)
    assert (found.commit, found.notes) == (forked.left, ())


def test_ranges_that_name_no_base_are_one_sentence(forked):
    with pytest.raises(UserError, match=r"a range is no base: write --against=main, or main\.\.\."):
        base_of("main..topic", forked.folder)
    said = f"head is what is checked out here, {forked.head[:10]}, and main is {forked.main[:10]}"
    for name in ("topic...main", "...main"):
        with pytest.raises(UserError, match=said):
            base_of(name, forked.folder)


@pytest.mark.parametrize("name", ["^HEAD", "HEAD^!", "HEAD^@", "HEAD^-", "..", "^main"])
def test_what_names_no_single_commit_is_refused_with_a_reason(forked, name):
    with pytest.raises(UserError, match=rf"\(git: '{re.escape(name)}' is no single commit\)"):
        base_of(name, forked.folder)


def test_a_changed_file_whose_name_is_no_utf_8_can_be_printed(tmp_path):
    repository = Repository(tmp_path / "r")
    repository.write("acme/\udcff.txt", "then")
    repository.commit_all()
    repository.write("acme/\udcff.txt", "changed")
    repository.write("acme/\udcfe.py", "new")
    assert changed_files(repository.folder) == ["acme/\ufffd.txt", "acme/\ufffd.py"]


def test_a_detached_head_has_a_merge_base_too(forked):
    forked.git("checkout", "-q", "--detach")
    try:
        assert base_of("main", forked.folder).commit == forked.left
        # Its own branch went nowhere else: one commit.
        assert base_of("topic", forked.folder).commit == forked.head
    finally:
        forked.git("checkout", "-q", "topic")


def test_git_is_quoted_with_its_own_reason(forked, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"bad revision 'mian'; did you mean main\?"):
        base_of("mian", forked.folder)
    with pytest.raises(UserError, match="bad revision 'nowhere'"):
        base_of("nowhere", forked.folder)
    # Temporary folders may lie inside of a checkout.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match=r"\(git: not a git repository"):
        base_of("main", tmp_path)
    with pytest.raises(UserError, match="expected commit type"):
        base_of(forked.git("rev-parse", "HEAD^{tree}"), forked.folder)
    with pytest.raises(UserError, match="neither a git revision here"):
        base_of("--all", forked.folder)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):  # they may trust every folder
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UserError, match=r"dubious ownership in repository .* safe\.directory"):
        base_of("main", forked.folder)


def test_a_name_of_a_branch_and_a_tag_is_refused(forked):
    forked.git("branch", "both", "main")
    forked.git("tag", "both", "v1")
    with pytest.raises(UserError, match="write one of refs/heads/both, refs/tags/both"):
        base_of("both", forked.folder)
    assert base_of("refs/tags/both", forked.folder).notes == ()
    assert base_of("heads/both", forked.folder).commit == forked.left


def test_histories_without_a_common_commit_have_no_merge_base(forked):
    forked.git("checkout", "-q", "--orphan", "other")
    other = forked.commit("alone")
    forked.git("checkout", "-qf", "topic")
    with pytest.raises(UserError, match="no merge-base of other and head: they have no commit in"):
        base_of("other", forked.folder)
    assert base_of(other, forked.folder).notes == (f"{other} has 1 commit that head lacks",)


def test_a_shallow_clone_is_told_how_to_get_the_rest(forked, tmp_path):
    shallow = Repository(tmp_path / "shallow")
    shallow.git("remote", "add", "origin", f"file://{forked.folder}")
    shallow.git("fetch", "-q", "--depth=1", "origin", "topic")
    shallow.git("checkout", "-q", "FETCH_HEAD")
    with pytest.raises(UserError, match=r"bad revision 'origin/main'; git fetch origin main:refs"):
        base_of("origin/main", shallow.folder)
    shallow.git("fetch", "-q", "--depth=1", "origin", "main:refs/remotes/origin/main")
    words = "no commit in common; this clone is shallow: git fetch --unshallow .*fetch-depth: 0"
    with pytest.raises(UserError, match=words):
        base_of("origin/main", shallow.folder)
    shallow.git("fetch", "-q", "--unshallow", "origin")
    assert base_of("origin/main", shallow.folder).commit == forked.left


def test_what_is_changed_in_head(tmp_path):
    repository = Repository(tmp_path / "r")
    repository.commit("vitbench/duet/worker.py", "README.md", "reports/a.json")
    (repository.folder / "reports" / "a.json").write_text("data")
    (repository.folder / "duet.xml").touch()
    (repository.folder / "vitbench" / "duet" / "worker.py").touch()  # newer, and the same
    assert changed_files(repository.folder) == []
    (repository.folder / "README.md").write_text("changed")
    (repository.folder / "torch.py").touch()
    (repository.folder / "vitbench" / "kernel.cpp").touch()
    assert changed_files(repository.folder) == ["README.md", "torch.py", "vitbench/kernel.cpp"]
    repository.git("add", "vitbench")
    assert "vitbench/kernel.cpp" in changed_files(repository.folder)


def test_untracked_code_of_a_project_is_a_change_and_other_files_are_none(tmp_path):
    """In a source folder every file counts, in a folder of packages what lies in a package."""
    repository = Repository(tmp_path / "r")
    repository.commit("acme/__init__.py", "src/b/c.py")
    for name in (
        "out/model.pth", "notes.txt", "services/reports/x.json", "acme/__pycache__/a.pyc",
        "src/acme.egg-info/PKG-INFO", "benchmarks/found.json", "src/b/sizes.yaml", "tool.cu",
        "acme/sizes.yaml",
    ):  # fmt: skip
        repository.write(name, "x")
    found = changed_files(repository.folder, ["src"], "services/reports")
    assert found == ["acme/sizes.yaml", "src/b/sizes.yaml", "tool.cu"]


@pytest.fixture
def here(forked, monkeypatch):
    """The repository of the project, in which this vitbench is taken to lie, too."""
    monkeypatch.setattr(sides, "ROOT", forked.folder)
    for module in (duet_side, side_of_commit):
        monkeypatch.setattr(module, "CHECKOUT", forked.folder)
    return forked


def test_one_commit_and_no_change_is_nothing_to_compare(here, tmp_path):
    with base("main", tmp_path, here.folder) as side:
        assert (side.folder / "vitbench" / "duet" / "worker.py").is_file()
        assert not (side.folder / "README.md").exists()
        assert side.same == ""
        assert side.label == f"main ({here.left[:10]})"
    for name in ("HEAD", "topic", here.head, "topic...topic"):
        with base(name, tmp_path, here.folder) as side:
            assert side.same == (
                f"base and head are one commit, {here.head[:10]}, and no file is changed"
            )
    (here.folder / "README.md").write_text("changed")
    try:
        with base("topic", tmp_path, here.folder) as side:
            assert side.same == ""
            assert side.notes == ("head has uncommitted changes: README.md",)
            assert (side.folder / "README.md").read_text() == "README.md"
    finally:
        here.git("checkout", "-q", "--", "README.md")


def test_the_same_folder_or_environment_is_nothing_to_compare(here, tmp_path):
    with base(str(here.folder), tmp_path, here.folder) as side:
        assert side.same == "base and head are one folder"
    with base(sys.executable, tmp_path, here.folder) as side:
        assert side.same == "base and head are one environment"
    beside = tmp_path / "beside"
    here.git("worktree", "add", "-q", "--detach", str(beside), "topic")
    with base("beside", tmp_path, here.folder) as side:
        assert side.same.startswith("base and head are one commit")
    (beside / "vitbench" / "duet" / "worker.py").write_text("changed")
    with base("beside", tmp_path, here.folder) as side:
        assert side.same == ""


def test_a_path_that_is_called_like_a_branch_is_refused(here, tmp_path):
    (tmp_path / "main" / "vitbench").mkdir(parents=True)
    (tmp_path / "main" / "vitbench" / "arm.py").touch()
    with (
        pytest.raises(UserError, match=r"write one of \./main, refs/heads/main"),
        base("main", tmp_path, here.folder),
    ):
        pass
    with base("./main", tmp_path, here.folder) as side:
        assert side.folder == tmp_path / "main"
    # A folder that is no checkout is not what is meant.
    here.git("branch", "feature/x", "main")
    (tmp_path / "feature" / "x").mkdir(parents=True)
    with base("feature/x", tmp_path, here.folder) as side:
        assert side.label == f"feature/x ({here.left[:10]})"


def test_vitbench_may_lie_in_a_folder_of_a_repository(tmp_path, monkeypatch):
    repository = Repository(tmp_path / "r")
    repository.commit("tools/vitbench/duet/worker.py", "README.md")
    for module in (duet_side, side_of_commit):
        monkeypatch.setattr(module, "CHECKOUT", repository.folder / "tools")
    with base("HEAD~1", tmp_path, repository.folder) as side:
        assert side.folder.name == "tools"
        assert (side.folder / "vitbench" / "duet" / "worker.py").is_file()


def test_the_command_ends_with_2_where_nothing_is_compared(here, tmp_path, monkeypatch, capsys):
    """Every output says so."""
    monkeypatch.chdir(here.folder)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    files = [f"--{kind}={tmp_path / kind}" for kind in ("json", "markdown", "junit")]
    assert main(["duet", "--against=HEAD", "--variant=fp32", *files]) == 2
    said = capsys.readouterr().out
    assert "INCOMPARABLE  deit_tiny_patch16_224/fp32/cpu/b1: nothing was compared: base and" in said
    assert "::error title=vitbench duet::nothing was compared" in said
    for kind in ("json", "markdown", "junit"):
        assert "nothing was compared" in (tmp_path / kind).read_text()
