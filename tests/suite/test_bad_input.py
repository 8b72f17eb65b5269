"""A user's mistake is one sentence that names what is wrong, and a non-zero exit."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT, fresh_environment
from vitbench.cli.main import main

MISTAKES = {
    "--model=deit_tinny_patch16_224": "deit_tiny_patch16_224",
    "--model=deit_tiny_patch16_224@{tmp}/missing.pth": "missing.pth",
    "--model=deit_tiny_patch16_224@{tmp}/empty.safetensors": "empty.safetensors",
    "--model=deit_tiny_patch16_224@{tmp}/evil.pth": "evil.pth",
    "--model={tmp}/empty.safetensors": "@",
    "--model={tmp}/nofolder": "nofolder",
    "--model={tmp}/folder": "config.json",
    "--model=hf:nobody/nothing": "nobody/nothing",
    "--model=hub:nobody/nothing:main:deit": "nobody/nothing",
    "--model=a b=deit_tiny_patch16_224": "a b",
    "--weights=pretrained": "pretrained",
    "--images={tmp}/missing": "missing",
    "--images={tmp}/broken": "broken.png",
    "--images={tmp}/folder": "folder",
    "--variant=int9*": "int9*",
    "--reference=nope": "nope",
    "--threads=0": "--threads",
    "--seconds=-1": "--seconds",
    "--seconds=inf": "--seconds",
    "--tolerance=3": "between 0 and 1, such as 0.03",
    "--images=~nobody-here/images": "no such home folder",
    "--verify-images=0": "--verify-images",
    "--batch=0": "--batch",
    "--device=cuda": "cuda",
}


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.target}",)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    import pickle

    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "empty.safetensors").touch()
    (folder / "folder").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n truncated")
    (folder / "evil.pth").write_bytes(pickle.dumps({"model": Evil(folder / "ran")}))
    return folder


@pytest.fixture(scope="module")
def runs(files, cache):
    """A run of the suite for each mistake, by the mistake: all in one process."""
    common = [str(ROOT / "vitbench/benchmarks/test_latency.py"), "--benchmark-only",
              "-pno:cacheprovider", "--seconds=0.1", "--verify-images=16", f"--cache={cache}",
              f"--reports={files / 'reports'}"]  # fmt: skip
    asked = {
        mistake: [*(each for each in common if each.partition("=")[0] not in mistake),
                  mistake.format(tmp=files)]
        for mistake in MISTAKES
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.many_runs"], input=json.dumps(list(asked.values())),
        cwd=ROOT, env=fresh_environment(cache), text=True, capture_output=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(asked, json.loads(done.stdout), strict=True))


@pytest.mark.xdist_group("mistakes")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(runs, files, mistake):
    torch = pytest.importorskip("torch")
    if mistake == "--device=cuda" and torch.cuda.is_available():
        pytest.skip("CUDA is there: asking for it is no mistake")
    found = runs[mistake]
    said = [line for line in found["err"].splitlines() if line.startswith("ERROR: ")]
    assert found["code"] == 4, found
    assert len(said) == 1, found
    assert MISTAKES[mistake] in said[0]
    assert "Traceback" not in found["out"] + found["err"]
    assert not (files / "ran").exists()


def test_mistake_under_xdist(suite, files):
    done = suite(
        f"--images={files / 'broken'}", "-n2", paths=("benchmarks/test_consistency.py",), only=False
    )
    assert done.returncode == 4
    assert "broken.png" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("predict", "missing.png"), "missing.png"),
        (("package", "int9", "-o", "out"), "int9"),
        (("show", "missing.json"), "missing.json"),
    ],
)
def test_command_line(capsys, monkeypatch, tmp_path, arguments, word):
    monkeypatch.chdir(tmp_path)
    assert main(list(arguments)) == 4
    said = capsys.readouterr().err
    assert word in said
    assert "Traceback" not in said


def test_an_unknown_command_in_a_process(vitbench):
    done = vitbench("frobnicate")
    assert done.returncode == 4
    assert "frobnicate" in done.stderr
    assert "Traceback" not in done.stderr
