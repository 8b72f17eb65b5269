"""A user's mistake is one sentence that names what is wrong, and a non-zero exit."""

import pytest

LATENCY = ("benchmarks/test_latency.py",)
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


@pytest.fixture
def files(tmp_path):
    import pickle

    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n truncated")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"model": Evil(tmp_path / "ran")}))
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(suite, files, mistake):
    torch = pytest.importorskip("torch")
    if mistake == "--device=cuda" and torch.cuda.is_available():
        pytest.skip("CUDA is there: asking for it is no mistake")
    done = suite(mistake.format(tmp=files), paths=LATENCY)
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert done.returncode == 4, done.stdout + done.stderr
    assert len(said) == 1, done.stdout + done.stderr
    assert MISTAKES[mistake] in said[0]
    assert "Traceback" not in done.stdout + done.stderr
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
        (("export", "int9", "-o", "out"), "int9"),
        (("show", "missing.json"), "missing.json"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_command_line(vitbench, arguments, word):
    done = vitbench(*arguments)
    assert done.returncode == 4
    assert word in done.stderr
    assert "Traceback" not in done.stderr
