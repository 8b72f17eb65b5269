"""A duet in a small repository of its own, whose factory reads a file by a relative path."""

import json

import pytest

from tests.helpers.repositories import Repository
from vitbench.cli.main import main
from vitbench.duet.play import Duet

VISION = """
from pathlib import Path
import timm
from torch import nn

def tiny():
    act = getattr(nn, Path("conf/act.conf").read_text().strip())
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=32,
                             num_heads=2, num_classes=5, act_layer=act)
"""
TABLE = '[tool.vitbench.models]\nmine = "py:acme.vision:tiny"\n'


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Of src layout; the work continues in its folder."""
    found = Repository(tmp_path / "r")
    for name, text in {
        "src/acme/__init__.py": "", "src/acme/vision.py": VISION, "conf/act.conf": "ReLU",
        "pyproject.toml": TABLE, ".gitignore": "__pycache__\n",
    }.items():  # fmt: skip
        found.write(name, text)
    found.commit_all()
    monkeypatch.chdir(found.folder)
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path / "cache"))
    return found


def play(tmp_path, *options):
    code = main(
        ["duet", "--against=HEAD~1", "--seconds=0.1", "--verify-images=8", "--blocks-max=2",
         "--minutes=0.2", f"--json={tmp_path / 'd.json'}", *options]
    )  # fmt: skip
    found = json.loads((tmp_path / "d.json").read_text())
    return code, {each["case"].split("/")[1]: each for each in found["verdicts"]}, found


@pytest.mark.thorough
def test_each_side_reads_its_own_file_and_builds_its_own_artifact(repository, tmp_path):
    """The network of base has another activation: a captured graph of head's would hide it."""
    repository.write("conf/act.conf", "GELU")
    repository.commit_all()
    _, verdicts, found = play(tmp_path, "--variant=scripted", "--no-shortcut")
    lines = verdicts["scripted"]["figures"]["structure"]
    assert any("gelu" in line for line in lines)
    assert found["base_commit"] == repository.git("rev-parse", "HEAD~1")
    assert repository.git("worktree", "list").count("\n") == 0


@pytest.mark.thorough
def test_what_head_runs_of_both_sides_is_not_compared(repository, tmp_path, monkeypatch):
    """The project is installed so that it answers before Python's path does."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys\nfrom importlib.machinery import PathFinder\nclass Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        roots = [{str(repository.folder / 'src')!r}]\n"
        "        return PathFinder.find_spec(name, roots) if name == 'acme' else None\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=":")
    repository.write("src/acme/vision.py", VISION.replace("depth=2", "depth=4"))
    repository.commit_all()
    code, verdicts, _ = play(tmp_path, "--variant=fp32")
    assert (code, verdicts["fp32"]["state"]) == (2, "INCOMPARABLE")
    told = "the commit imports acme (src/acme/__init__.py), acme.vision"
    assert told in verdicts["fp32"]["sentence"]
    # The same change of code is seen where the path decides.
    monkeypatch.setenv("PYTHONPATH", str(repository.folder / "src"), prepend=":")
    (tmp_path / "site" / "sitecustomize.py").unlink()
    _, verdicts, _ = play(tmp_path, "--variant=fp32")
    assert verdicts["fp32"]["state"] not in ("INCOMPARABLE", "SAME")


@pytest.mark.thorough
def test_a_transform_that_base_has_broken_leaves_nothing_to_compare(repository, tmp_path):
    table = '[tool.vitbench.variants.own]\nruntime = "eager"\ntransform = "acme.recipe:own"\n'
    repository.write("pyproject.toml", TABLE + table)
    repository.write("src/acme/recipe.py", "def own(module, images):\n    raise ValueError('oh')\n")
    repository.commit_all()
    repository.write("src/acme/recipe.py", "def own(module, images):\n    return module\n")
    repository.commit_all()
    _, verdicts, _ = play(tmp_path, "--variant=own")
    assert verdicts["own"]["state"] == "INCOMPARABLE"
    assert (
        "base fails: the transform acme.recipe:own raises ValueError"
        in (verdicts["own"]["sentence"])
    )


@pytest.mark.thorough
def test_files_that_are_edited_meanwhile_are_a_note(repository, tmp_path, monkeypatch):
    repository.write("conf/act.conf", "GELU")
    repository.commit_all()
    prepare = Duet.prepare

    def edit(self, *given):
        prepare(self, *given)
        repository.write("conf/act.conf", "SiLU")

    monkeypatch.setattr(Duet, "prepare", edit)
    _, _, found = play(tmp_path, "--variant=fp32")
    assert any(each.startswith("head's files were edited while") for each in found["notes"])
    assert "conf/act.conf" in found["notes"][-1]
