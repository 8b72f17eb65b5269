"""The command line, as a user types it."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vitbench.build.ask import ask
from vitbench.cli.main import main


def test_list_imports_nothing_heavy(environment):
    code = (
        "import sys; from vitbench.cli.main import main; main(['list']);"
        "print(sorted({'torch','timm','transformers','scipy','skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, text=True, capture_output=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "mobile-int8-qnnpack" in done.stdout


@pytest.fixture
def photo(tmp_path):
    import skimage.data

    path = tmp_path / "cat.png"
    Image.fromarray(skimage.data.chelsea()).save(path)
    return path


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_pass(environment, buffered):
    """`vitbench gate ... | head` under `pipefail`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "vitbench", "list"],
        env={**environment, "PYTHONUNBUFFERED": buffered},
        stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300, check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


def test_predict_side_by_side(vitbench, photo):
    done = vitbench("predict", str(photo), "--variant=int8-dynamic", "--top=2", "--threads=1")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["fp32", "fp32", "int8-dynamic", "int8-dynamic"]
    assert rows[0][1] == rows[2][1]


def test_predict_says_which_build_failed(photo, tmp_path, monkeypatch, capsys):
    """And goes on with the next variant. The worker dies as it does where memory runs out."""
    dies = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(
        "vitbench.build.builds.ask", lambda request, *_, **__: ask(request, 60, dies)
    )
    command = ["predict", str(photo), "--variant=int8-dynamic", "--threads=1"]
    assert main([*command, f"--cache={tmp_path / 'cache'}"]) == 1
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[:2] for row in rows] == [["fp32", "failed:"], ["int8-dynamic", "failed:"]]
    assert {row[2] for row in rows} == {
        "the build worker was killed by SIGKILL, as when memory runs out"
    }


LIMITS = {"fp32": 1e-5, "int8-dynamic": 0.15, "scripted-int8": 0.15, "lite-int8": 0.15,
          "bf16": 0.03}  # fmt: skip
LOADED = """
import json, os, sys
import numpy, torch
for name, (folder, lines) in json.load(sys.stdin).items():
    os.chdir(folder)
    names = {}
    exec("\\n".join(lines), names)
    images = torch.from_numpy(numpy.load("images.npy"))
    with torch.inference_mode():
        logits = names["model"](images.bfloat16() if name == "bf16" else images)
    numpy.save("logits.npy", logits.float().numpy())
assert not any(module.startswith("vitbench") for module in sys.modules)
"""


def test_packaged_files_load_in_ten_lines(cache, environment, photo, tmp_path, monkeypatch):
    """The manifests' lines run in a process without vitbench and give the verified logits."""
    import torch

    from vitbench.models import load_model, parse_spec

    monkeypatch.chdir(tmp_path)
    model = load_model(parse_spec("deit_tiny_patch16_224", tmp_path), None)
    images = model.preprocess(Image.open(photo).convert("RGB"))[None]
    asked = {}
    for name in LIMITS:
        options = ["--verify-images=8", "--threads=1", f"--cache={cache}"]
        assert main(["package", name, "-o", "out", *options]) == 0
        folder = tmp_path / "out" / f"deit_tiny_patch16_224-{name}"
        manifest = json.loads((folder / "manifest.json").read_text())
        file = folder / manifest["file"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == manifest["sha256"]
        for part, digest in manifest["files"].items():
            assert hashlib.sha256((folder / part).read_bytes()).hexdigest() == digest
        assert len(manifest["load"]) <= 10
        np.save(folder / "images.npy", images)
        asked[name] = (str(folder), manifest["load"])
    environment = {k: v for k, v in environment.items() if k != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", LOADED], input=json.dumps(asked), text=True, cwd=tmp_path,
        env=environment, check=True,
    )  # fmt: skip
    with torch.inference_mode():
        expected = model.module(torch.from_numpy(images)).numpy()
    for name, (folder, _) in asked.items():
        found = np.load(f"{folder}/logits.npy")
        assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < LIMITS[name], name
