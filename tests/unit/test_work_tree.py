"""The temporary work tree of a base: what it leaves in the user's repository, and what it does not
run there."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.repositories import Repository
from vitbench.duet.base.work_tree import PREFIX, checked_out
from vitbench.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from vitbench.duet.base.work_tree import checked_out
with checked_out("HEAD~1", Path(sys.argv[1])) as tree:
    print(tree, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def repository(tmp_path):
    found = Repository(tmp_path / "r")
    found.commit("one", "two")
    return found


def trees(repository):
    return repository.git("worktree", "list", "--porcelain").count("worktree ")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"])
def test_a_signal_ends_the_process_after_the_tree_is_removed(repository, name):
    number = getattr(signal, name)
    command = [sys.executable, "-c", HOLD, str(repository.folder)]
    # A shell without job control hands down that SIGINT is ignored.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:  # fmt: skip
        tree = Path(process.stdout.readline().strip())
        assert (tree / "one").is_file()
        assert not (tree / "two").exists()
        process.send_signal(number)
        assert process.wait(60) == -number
    assert not tree.exists()
    assert trees(repository) == 1


def test_no_hook_of_the_repository_runs(repository, tmp_path):
    hook = repository.write(".git/hooks/post-checkout", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with checked_out("HEAD~1", repository.folder):
        pass
    assert not (tmp_path / "ran").exists()
    repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "mine"))
    assert (tmp_path / "ran").exists()  # of the user's own, it does


def test_trees_of_one_repository_do_not_meet(repository):
    def hold(revision):
        with checked_out(revision, repository.folder) as tree:
            time.sleep(0.2)
            return tree, sorted(path.name for path in tree.iterdir())

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(hold, ["HEAD", "HEAD~1"] * 3))
    assert len({tree for tree, _ in found}) == 6
    assert [names for _, names in found] == [[".git", "one", "two"], [".git", "one"]] * 3
    assert trees(repository) == 1


def test_only_abandoned_trees_of_duets_are_forgotten(repository, tmp_path):
    """The user's own may lie on a disk that is not there now."""
    for name in ("mine", f"{PREFIX}old", f"{PREFIX}new"):
        repository.git("worktree", "add", "-q", "--detach", str(tmp_path / name))
        subprocess.run(["rm", "-r", str(tmp_path / name)], check=True)
    known = repository.folder / ".git" / "worktrees"
    os.utime(known / f"{PREFIX}old", (0, 0))
    os.utime(known / "mine", (0, 0))
    with checked_out("HEAD", repository.folder):
        pass
    assert sorted(each.name for each in known.iterdir()) == ["mine", f"{PREFIX}new"]


@pytest.mark.parametrize("damaged", [True, False])
def test_a_tree_whose_adding_was_killed_is_forgotten_and_a_damaged_entry_stops_nothing(
    repository, tmp_path, damaged
):
    names = [f"{PREFIX}{name}" for name in ("a", "b", "c")]
    known = repository.folder / ".git" / "worktrees"
    for name in names:
        repository.git("worktree", "add", "-q", "--lock", "--detach", str(tmp_path / name))
        subprocess.run(["rm", "-r", str(tmp_path / name)], check=True)
    mine = ["worktree", "add", "-q", "--lock", "--detach", str(tmp_path / "mine")]
    repository.git(*mine)
    if damaged:
        (known / names[1] / "gitdir").unlink()
    for each in known.iterdir():
        os.utime(each, (0, 0))
    with checked_out("HEAD", repository.folder):
        pass
    assert sorted(each.name for each in known.iterdir()) == ["mine", *[names[1]] * damaged]


def test_a_commit_that_is_not_there_is_one_sentence_of_git(repository):
    with (
        pytest.raises(UserError, match=r"git worktree failed: .*invalid reference: 1234567"),
        checked_out("1234567", repository.folder),
    ):
        pass
    assert trees(repository) == 1
