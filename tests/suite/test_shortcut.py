"""A real duet of a team's repository: what has to be timed, and what is identical by contents."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.helpers.asked import asked
from tests.helpers.repositories import Repository
from vitbench.case import Case
from vitbench.cli.main import main
from vitbench.duet.contents.identical import Same, Unlike, ask_contents, compare, find_identical
from vitbench.duet.play import Duet
from vitbench.duet.sides import sides_of
from vitbench.duet.verdicts import SIDES

pytestmark = pytest.mark.thorough

FACTORY = """
import ctypes
import importlib.util
import os
import subprocess
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors import safe_open

HERE = Path(__file__).parent


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        depth = int((HERE / "settings.yaml").read_text().split()[1])
        self.net = timm.create_model(
            "vit_tiny_patch16_224", img_size=32, depth=depth, embed_dim=48, num_classes=4
        )

    def forward(self, images):
        from acme import inside

        (HERE / "in_call.txt").read_text()
        self.calls += 1
        if self.calls == 3:
            (HERE / "third_call.txt").read_text()
        return self.net(images) + inside.NOTHING


def small():
    torch.manual_seed(0)
    np.memmap(HERE / "mapped.bin", mode="r").sum()
    torch.from_file(str(HERE / "native.bin"), size=4, dtype=torch.uint8).sum()
    with safe_open(HERE / "table.safetensors", "np") as opened:
        opened.get_tensor("x")
    (HERE / "current" / "note.txt").read_text()
    (HERE / "extra.yaml").exists()
    importlib.util.find_spec("acme.fast")
    return Net(), {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3}
"""
SETTINGS = """[project]
name = "acme"
version = "1"
dependencies = ["torch", "timm"]

[tool.vitbench.models]
mine = {{ py = "acme.vision:small", labels = "labels.txt" }}

[tool.vitbench.variants.acme]
runtime = "eager"
precision = "fp32"
limits = {{ agreement = {limit}, relative_error = 0.01, cosine = 0.9 }}
"""
OPTIONS = ("--model=mine", "--variant=fp32", "--images=images", "--verify-images=8", "--batch=1",
           "--seconds=0.1", "--blocks-max=1", "--threads=1")  # fmt: skip


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("team") / "repository")
    here = "src/acme"
    made.write(".gitignore", "__pycache__/\n")
    made.write("pyproject.toml", SETTINGS.format(limit=0.9))
    made.write("README.md", "acme\n")
    made.write("requirements.txt", "torch\n")
    made.write("labels.txt", "a\nb\nc\nd\n")
    made.write("tests/test_acme.py", "")
    made.write(f"{here}/__init__.py", "")
    made.write(f"{here}/vision.py", FACTORY)
    made.write(f"{here}/inside.py", "NOTHING = 0\n")
    made.write(f"{here}/unused.py", "# once\n")
    made.write(f"{here}/settings.yaml", "depth: 2\n")
    made.write(f"{here}/in_call.txt", "1")
    made.write(f"{here}/third_call.txt", "1")
    for name in ("mapped.bin", "native.bin"):
        made.write(f"{here}/{name}", bytes(range(4)))
    for name in ("v1", "v2"):
        made.write(f"{here}/{name}/note.txt", "1")
    table(made.folder / here, 1.0)
    (made.folder / here / "current").symlink_to("v1")
    for number in range(8):
        picture(made.folder, number, seed=number)
    made.commit_all()
    made.git("tag", "base")
    return made


def table(folder, value):
    from safetensors.numpy import save_file

    save_file({"x": np.full(4, value)}, folder / "table.safetensors")


def picture(folder, number, seed):
    (folder / "images").mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "images" / f"{number}.png")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@contextmanager
def prepared(team, cache, folder, against="base", variant="fp32"):
    """The duet of one case of what is checked out against a revision, prepared on both sides."""

    def chosen(side):
        images = side.tree / "images"
        return replace(side.options, cache=cache, images=images, verify_images=8)

    case = Case("mine", variant, "cpu", 1)
    with sides_of(asked(against, team.folder, texts=["mine"])) as both:
        sides = {name: replace(side, options=chosen(side)) for name, side in both.items()}
        duet = Duet(sides, sides["head"].options)
        duet.prepare([case], folder)
        assert all(case.id in duet.progress.prepared[side] for side in sides), duet.progress
        yield duet, case


@pytest.fixture
def found(team, cache, tmp_path):
    """What is found of what is checked out, against a revision: the progress, and what was said."""

    def find(against="base", variant="fp32"):
        said = []
        with prepared(team, cache, tmp_path, against, variant) as (duet, case):
            played = duet.played([case])
            find_identical(played, duet.sides, duet.arms.several, duet.progress, said.append)
        return duet.progress, said

    yield find
    team.git("reset", "-q", "--hard", "base")
    team.git("clean", "-qfd")


@pytest.fixture(scope="module")
def recorded(team, cache, tmp_path_factory):
    """What the arms of two equal trees say of the case."""
    (team.folder / "README.md").write_text("another")
    with prepared(team, cache, tmp_path_factory.mktemp("prepared")) as (duet, case):
        answers = {side: duet.progress.prepared[side][case.id] for side in SIDES}
        trees = {side: duet.sides[side].tree for side in SIDES}
        yield ask_contents(answers, trees, duet.arms.several)


def relink(here):
    (here / "current").unlink()
    (here / "current").symlink_to("v2")


TIMED = {
    "a YAML file that the factory reads": (
        lambda here: (here / "settings.yaml").write_text("depth:  2\n"), "src/acme/settings.yaml"),
    "a module that forward imports": (
        lambda here: (here / "inside.py").write_text("NOTHING = 0  # now\n"), "src/acme/inside.py"),
    "a file that the call reads": (
        lambda here: (here / "in_call.txt").write_text("2"), "src/acme/in_call.txt"),
    "a file that the third call reads": (
        lambda here: (here / "third_call.txt").write_text("2"), "src/acme/third_call.txt"),
    "a module that was sought": (
        lambda here: (here / "fast.py").touch(), "src/acme/fast.py"),
    "an executable bit": (
        lambda here: (here / "settings.yaml").chmod(0o755), "src/acme/settings.yaml"),
    "a memory map": (
        lambda here: (here / "mapped.bin").write_bytes(b"1234"), "src/acme/mapped.bin"),
    "a memory map of native code": (
        lambda here: (here / "native.bin").write_bytes(b"1234"), "src/acme/native.bin"),
    "a file of safetensors": (lambda here: table(here, 2.0), "src/acme/table.safetensors"),
    "a file behind a link": (
        lambda here: (here / "v1" / "note.txt").write_text("2"), "note.txt"),
    "a link": (relink, "the link src/acme/current"),
    "a file that was asked for": (lambda here: (here / "extra.yaml").touch(), "extra.yaml"),
}  # fmt: skip
"""By what is changed after the arms of two equal trees have said what they opened."""


@pytest.mark.parametrize("change", TIMED)
def test_a_change_of_what_is_opened_has_to_be_timed(team, recorded, change):
    act, words = TIMED[change]
    assert isinstance(compare(recorded), Same)
    act(team.folder / "src" / "acme")
    unlike = compare(recorded)
    team.git("checkout", "-q", ".")
    team.git("clean", "-qfd")
    assert isinstance(unlike, Unlike)
    assert words in unlike.difference


PREPARED = {
    "requirements": (
        "requirements.txt", "torch>2\n", "other packages are declared in requirements.txt"),
    "a limit": ("pyproject.toml", SETTINGS.format(limit=0.8), "recipe (limits (agreement))"),
    "a file of labels": ("labels.txt", "a\nb\nc\ne\n", "labels"),
}  # fmt: skip


@pytest.mark.parametrize("change", PREPARED)
def test_a_change_of_what_is_prepared_has_to_be_timed(team, found, change):
    name, text, words = PREPARED[change]
    (team.folder / name).write_text(text)
    progress, said = found(variant="acme" if change == "a limit" else "fp32")
    assert not progress.identical
    assert not progress.notes
    assert words in said[-1]


def test_a_changed_image_has_to_be_timed(team, found):
    picture(team.folder, 0, seed=99)
    progress, said = found()
    assert not progress.identical
    assert "the set of images" in said[-1]


DOUBTS = {
    "native code": ("ctypes.CDLL(str(HERE / 'fast.so'))", "ctypes"),
    "a process": ("subprocess.run(['cat', str(HERE / 'settings.yaml')])", "starts a process"),
}


@pytest.mark.parametrize("way", DOUBTS)
def test_where_contents_prove_too_little_a_note_says_so(team, found, way):
    line, words = DOUBTS[way]
    here = team.folder / "src" / "acme"
    if way == "native code":
        if not shutil.which("gcc"):
            pytest.skip("there is no gcc to compile a library with")
        command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(here / "fast.so")]
        subprocess.run(command, input=b"int twice(int x) { return 2 * x; }", check=True)
    (here / "vision.py").write_text(f"{(here / 'vision.py').read_text()}\n{line}\n")
    team.commit_all(way)
    team.git("tag", "--force", "doubtful")
    (team.folder / "README.md").write_text("another")
    progress, _ = found("doubtful")
    assert not progress.identical
    assert words in progress.notes[0]


def test_what_decides_nothing_is_let_through(team, found, cache, monkeypatch, capsys, tmp_path):
    here = team.folder / "src" / "acme"
    (team.folder / "README.md").write_text("another")
    (team.folder / "tests" / "test_more.py").touch()
    (here / "unused.py").write_text("# now\n")
    os.utime(here / "vision.py", (1, 1))
    progress, said = found()
    assert progress.identical, said
    monkeypatch.chdir(team.folder)
    given = [
        "duet",
        "--against=base",
        *OPTIONS,
        f"--cache={cache}",
        f"--json={tmp_path / 'd.json'}",
    ]
    assert main(given) == 0
    assert "SAME (identical)  mine/fp32/cpu/b1: nothing to time" in capsys.readouterr().out
    assert not json.loads((tmp_path / "d.json").read_text())["blocks"]
    main([*given, "--no-shortcut"])
    assert json.loads((tmp_path / "d.json").read_text())["blocks"]["mine/fp32/cpu/b1"]
