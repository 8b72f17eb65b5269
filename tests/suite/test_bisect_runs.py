"""A bisection over real commits of a team's repository: `pytest -s` shows what it prints."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, listen
from tests.suite.test_bisect import git

MODEL = '''
"""A small classifier of a team."""

import torch
from timm.models.vision_transformer import VisionTransformer

EXTRA = 0


class Net(VisionTransformer):
    def forward(self, images):
        for _ in range(EXTRA):
            work(images)
        return super().forward(images)


def work(images):
    a = images.new_ones(160, 160)
    for _ in range(4):
        a = (a @ a) * 1e-3


def make():
    torch.manual_seed(0)
    return Net(img_size=64, patch_size=8, depth=4, embed_dim=192, num_heads=3, num_classes=10)
'''
PROJECT = """
[tool.vitbench.models.tiny]
py = "acme.model:make"
preprocessing = { input_size = [3, 64, 64], mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }
"""
COMMITS, SLOWER, EXTRA = 8, 5, 12


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Commits 0 to 8: the fifth does more in `forward`, the third cannot be imported, and the
    others change nothing that is executed."""
    folder = tmp_path_factory.mktemp("team")
    git(folder, "init", "-qb", "main")
    (folder / "acme").mkdir()
    (folder / "acme/__init__.py").touch()
    (folder / "pyproject.toml").write_text(PROJECT)
    for number in range(COMMITS + 1):
        text = MODEL.replace("EXTRA = 0", f"EXTRA = {EXTRA}") if number >= SLOWER else MODEL
        broken = "raise ImportError\n" if number == 3 else ""
        (folder / "acme/model.py").write_text(f"{text}\n{broken}")
        (folder / "README.md").write_text(f"commit {number}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", f"commit {number}")
    return folder


def command(folder, *options):
    cache = folder.parent / "cache"
    return {
        "args": [
            sys.executable, "-m", "vitbench", "bisect", f"main~{COMMITS}", "main",
            "--case=tiny/fp32/cpu/b1", "--threads=1", "--seconds=0.3", "--verify-images=16",
            "--blocks-max=15", f"--cache={cache}", *options,
        ],
        "cwd": folder,
        "env": {**os.environ, "PYTHONPATH": str(ROOT), "VITBENCH_CACHE": str(cache)},
    }  # fmt: skip


def state(folder):
    """What is the user's own: HEAD, the index, files, branches and work trees."""
    parts = ["status --porcelain --ignored", "rev-parse HEAD", "worktree list", "for-each-ref"]
    return [git(folder, *part.split()) for part in parts]


@pytest.mark.thorough
def test_the_planted_commit_is_found(repository, tmp_path):
    before, began = state(repository), time.monotonic()
    file = tmp_path / "found.json"
    done = subprocess.run(
        **command(repository, f"--json={file}", "--minutes=20"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(f"{done.stdout}{time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(file.read_text())
    assert found["first"]["subject"] == f"commit {SLOWER}"
    assert found["confirmed"]["state"] == "SLOWER"
    blocks = {each["subject"]: each["blocks"] for each in found["steps"]}
    assert blocks["commit 4"] == 0, "its contents are those of commit 0"
    assert [each for each in state(repository) if "__pycache__" not in each] == before


@pytest.mark.thorough
def test_nothing_is_left_when_it_is_interrupted(repository):
    before, trees = state(repository), 0
    run = subprocess.Popen(
        **command(repository), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        preexec_fn=listen,
    )  # fmt: skip
    try:
        while trees < 3 and run.poll() is None:
            time.sleep(0.1)
            trees = len(git(repository, "worktree", "list").splitlines())
        run.send_signal(signal.SIGINT)
        assert run.wait(60) != 0
    finally:
        run.kill()
        run.wait()
    assert trees == 3, "both ends were checked out"
    assert state(repository) == before
