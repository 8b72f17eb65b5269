"""Duets between this tree and the revision before the package had folders, either as the base."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

BEFORE = "ed99421b"
"""The last revision whose worker is `vitbench.arm`, and which starts that of its base so."""
OPTIONS = ("--variant=fp32", "--blocks-max=1", "--seconds=0.1", "--verify-images=4",
           "--inconclusive=pass")  # fmt: skip


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, text=True, capture_output=True, check=False)


@pytest.fixture
def before(tmp_path):
    """A work tree of the revision before the move."""
    if git("cat-file", "-e", f"{BEFORE}^{{commit}}").returncode:
        pytest.skip(f"this clone does not have the revision {BEFORE}")
    tree = tmp_path / "before"
    done = git("worktree", "add", "--detach", str(tree), BEFORE)
    assert done.returncode == 0, done.stderr
    yield tree
    git("worktree", "remove", "--force", str(tree))


@pytest.mark.thorough
@pytest.mark.parametrize("head_is", ["today", "before"])
def test_a_duet_across_the_move_of_the_folders(head_is, before, environment, cache, tmp_path):
    head, base = (ROOT, before) if head_is == "today" else (before, ROOT)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--benchmark-only",
               "benchmarks/test_latency.py", *OPTIONS, f"--against={base}", f"--cache={cache}",
               f"--reports={tmp_path}"]  # fmt: skip
    if head_is == "before":  # it has no such plugin, and this environment's entry point names one
        command += ["-p", "no:vitbench.plugin"]
    done = subprocess.run(
        command, cwd=head, env={**environment, "PYTHONPATH": os.fspath(head)}, text=True,
        capture_output=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = (json.loads(file.read_text()) for file in tmp_path.glob("*.json"))
    (verdict,) = report["vitbench"]["duet"]["verdicts"]
    assert verdict["figures"]["blocks"] == 1, verdict["sentence"]
    (row,) = report["benchmarks"]
    assert {arm: len(seconds) > 0 for arm, seconds in row["extra_info"]["blocks"][0].items()} == {
        "base": True, "head": True, "null": True,
    }  # fmt: skip
