"""What --against names, and a checkout of a revision."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.asked import base
from vitbench.duet.base import side
from vitbench.duet.base.side import Side, head
from vitbench.errors import UserError


def test_what_against_names(tmp_path):
    def name(against):
        with base(against, tmp_path) as found:
            return found, found.folder.is_dir() and (found.folder / "vitbench").is_dir()

    environment = Path(sys.prefix)
    assert name(str(environment))[0].python == str(environment / "bin" / "python")
    assert name(str(environment / "bin" / "python"))[0].folder == ROOT
    assert name(os.path.relpath(ROOT, tmp_path))[0].folder.resolve() == ROOT
    with pytest.raises(UserError, match="--against=no-such: neither a git revision here nor"):
        name("no-such")
    with pytest.raises(UserError, match="--against=~nobody-here/x: there is no such home folder"):
        name("~nobody-here/x")
    with pytest.raises(UserError, match="neither an environment"):
        name(str(tmp_path))
    with pytest.raises(UserError, match="--against=: the value is empty"):
        name("")
    (tmp_path / "old" / "vitbench").mkdir(parents=True)
    with pytest.raises(UserError, match="its vitbench is too old for a duet"):
        name("old")


def test_an_environment_gets_the_code_of_head_and_none_of_its_packages(tmp_path, monkeypatch):
    """Installed, vitbench lies beside torch; base must import its own torch."""
    installed = tmp_path / "site-packages"
    (installed / "vitbench" / "duet").mkdir(parents=True)
    (installed / "vitbench" / "duet" / "worker.py").touch()
    (installed / "torch.py").touch()
    monkeypatch.setattr(side, "CHECKOUT", None)
    monkeypatch.setattr(side, "PACKAGE", installed / "vitbench")
    with base(sys.prefix, tmp_path) as found:
        folder = found.folder
        assert [each.name for each in folder.iterdir()] == ["vitbench"]
        assert (folder / "vitbench").resolve() == installed / "vitbench"
        assert found.command[-1] == "vitbench.duet.worker"
    assert not folder.exists()
    assert (installed / "vitbench" / "duet" / "worker.py").is_file()


@pytest.mark.parametrize(
    ("files", "module"),
    [
        (["arm.py"], "vitbench.arm"),  # before the package had folders
        (["arm.py", "duet/worker.py"], "vitbench.duet.worker"),
    ],
)
def test_a_side_starts_the_worker_that_its_tree_has(tmp_path, files, module):
    for name in files:
        (tmp_path / "vitbench" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "vitbench" / name).touch()
    assert Side("old", "python", tmp_path).command == ("python", "-P", "-m", module)
    assert head().command[-1] == "vitbench.duet.worker"
    # What an older head starts in this tree.
    assert (ROOT / "vitbench" / "arm.py").is_file()


def test_a_file_that_is_no_python_is_not_run(tmp_path):
    for name, mode in (("notes.txt", 0o644), ("run", 0o755), ("python3", 0o644)):
        (tmp_path / name).write_text("#!/bin/sh\ntouch executed\n")
        (tmp_path / name).chmod(mode)
        message = f"--against={name}: this file is no Python interpreter: name an environment"
        with pytest.raises(UserError, match=message), base(name, tmp_path):
            pass
    assert not (tmp_path / "executed").exists()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: no revision to name")
def test_a_revision_is_checked_out_beside_and_removed(tmp_path):
    with base("HEAD", tmp_path, ROOT) as found:
        folder = found.folder
        assert (folder / "vitbench" / "duet" / "worker.py").is_file()
        assert folder != ROOT
    assert not folder.exists()
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert str(folder) not in listed.stdout
