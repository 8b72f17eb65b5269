"""What code opens is recorded, in whatever way it does, and so is what cannot be followed."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.helpers.opening import PROJECT

OPENS = {
    "nothing": (),
    "text": ("settings.yaml",),
    "by_descriptor": ("settings.yaml",),
    "by_relative_path": ("settings.yaml",),
    "inner_import": ("inner.py", "imported.json"),
    "memory_map": ("weights.bin",),
    "memmap": ("weights.bin",),
    "fromfile": ("weights.bin",),
    "torch_mmap": ("weights.pt",),
    "torch_from_file": ("weights.bin",),
    "torch_native": ("weights.pt",),
    "safetensors": ("weights.safetensors",),
    "picture": ("picture.png",),
    "sqlite": ("rows.db",),
    "zipped": ("more.zip",),
    "by_link": ("current/settings.yaml", "v1/settings.yaml"),
    "link_alone": ("current",),
    "probe": ("not-there.yaml",),
    "probe_in_folder": ("not-there.yaml",),
    "failing_open_in_folder": ("not-there.yaml",),
    "executable": ("settings.yaml",),
    "feature": ("fast", "fast.py", "fast/__init__.py"),
    "failing_import": ("faster", "faster.py", "faster/__init__.py"),
    "failing_top_import": ("../fastest.py", "../fastest/__init__.py"),
    "folder_of_imports": ("plugins",),
    "resource": ("not-there.yaml",),
    "pooled": ("settings.yaml",),
    "failing_open": ("not-there.yaml",),
    "threaded": ("settings.yaml",),
}
"""By way, names beside the module that it opens, and no other beside itself."""
DOUBTS = {
    "process": "the project's code starts a process",
    "system": "the project's code starts a process",
    "spawned": "the project's code starts a process",
    "thread_goes_on": "a thread of the project's code goes on after the call",
    "bare_thread": "a thread of the project's code goes on after the call",
    "forked": "the project's code starts a process",
    "socket": "something is asked over the network",
    "library": "the project's code calls a native library by ctypes",
    "libc": "the project's code calls a native library by ctypes",
    "writing": "src/acme/log.txt is written",
}


LISTINGS = ("listing", "modules", "resources")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What was recorded, by way, of one process."""
    tree = tmp_path_factory.mktemp("tree")
    here = tree / "src" / "acme"
    (here / "v1").mkdir(parents=True)
    (tree / ".git").mkdir()
    (tree.with_name("head") / "conf").mkdir(parents=True)
    (tree.with_name("head") / "conf" / "model.json").touch()
    (tree.with_name("head") / "conf" / "linked.json").touch()
    (tree.with_name("link")).symlink_to(tree.with_name("head"))
    (tree / "README.md").write_text("A project.")
    for name in ("settings.yaml", "v1/settings.yaml", "imported.json"):
        (here / name).write_text("depth: 2")
    (here / "__init__.py").touch()
    (here / "ways.py").write_text(PROJECT)
    (here / "inner.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('imported.json').read_text()\n"
    )
    (here / "unused.py").touch()
    (here / "current").symlink_to("v1")
    (here / "to_head.json").symlink_to(tree.with_name("head") / "conf" / "linked.json")
    _data(here)
    names = json.dumps(
        [*OPENS, *DOUBTS, "library_of_torch", "of_head", "of_head_by_link", "own_git", *LISTINGS]
    )
    command = [sys.executable, "-P", "-m", "tests.helpers.opening", str(tree), names]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _data(here: Path) -> None:
    import torch
    from safetensors.numpy import save_file

    (here / "weights.bin").write_bytes(bytes(range(4)))
    torch.save({"x": torch.ones(2)}, here / "weights.pt")
    save_file({"x": np.ones(2)}, here / "weights.safetensors")
    Image.new("RGB", (2, 2)).save(here / "picture.png")
    sqlite3.connect(here / "rows.db").execute("create table t (x)").connection.commit()
    with zipfile.ZipFile(here / "more.zip", "w") as made:
        made.writestr("from_zip.py", "x = 1\n")
    if shutil.which("gcc"):
        command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(here / "libacme.so")]
        subprocess.run(command, input=b"int twice(int x) { return 2 * x; }", check=True)


@pytest.mark.parametrize("way", OPENS)
def test_what_is_opened_is_known(seen, way):
    expected = {os.path.normpath(f"src/acme/{name}") for name in OPENS[way]}
    assert expected <= {*seen[way]["names"]}
    assert not seen[way]["doubts"]
    data = {name for name in seen[way]["there"] if not name.endswith(".py")}
    assert data <= expected | {"src/acme/v1", "src/acme", "src", "src/acme/current"}, data
    assert "src/acme/current" in seen[way]["links"]


@pytest.mark.parametrize("way", DOUBTS)
def test_what_no_comparison_of_files_follows_is_a_doubt(seen, way):
    if way == "library" and not shutil.which("gcc"):
        pytest.skip("there is no gcc to compile a library with")
    assert DOUBTS[way] in seen[way]["doubts"]


def test_a_library_that_another_library_loads_is_opened(seen):
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc to compile a library with")
    assert "src/acme/libacme.so" in seen["library_of_torch"]["names"]


@pytest.mark.parametrize("way", LISTINGS)
def test_the_names_in_a_folder_are_read(seen, way):
    assert "src/acme" in seen[way]["listings"]
    assert not seen[way]["doubts"]


def test_what_lists_no_folder_has_no_listing(seen):
    # torch looks for its libraries in folders of its own below each import root.
    assert not any(seen[way]["listings"] for way in OPENS if "torch" not in way)


def test_what_base_takes_from_heads_tree_is_known(seen):
    assert {*seen["of_head"]["taken"]} == {"conf", "conf/model.json", "conf/fast.json"}
    assert seen["of_head"]["listings"] == ["conf"]
    assert not seen["text"]["taken"]
    assert {*seen["of_head_by_link"]["taken"]} == {"conf/linked.json", "conf/model.json"}
    assert "src/acme/to_head.json" in seen["of_head_by_link"]["names"]


def test_the_entry_of_git_itself_is_nothing_that_was_asked_for(seen):
    """A folder in head, and a file in the work tree of base."""
    assert not {*seen["own_git"]["names"]} & {".git"}


def test_what_is_not_used_is_not_opened(seen):
    every = {name for way in seen.values() for name in way["there"]}
    assert not every & {"README.md", "src/acme/unused.py"}
    assert "src/acme/ways.py" in seen["nothing"]["names"]  # imported before
