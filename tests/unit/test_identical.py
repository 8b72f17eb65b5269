"""Which cases are identical by contents: what must be noticed, and what must be let through."""

import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from vitbench.duet.identical import Same, Unlike, compare, find_identical
from vitbench.duet.installed import packages
from vitbench.errors import UserError

OPENED = ("acme/vision.py", "acme/settings.yaml", "acme/current", "acme/not-there.yaml")


@pytest.fixture
def trees(tmp_path):
    """Two equal trees."""
    for side in ("base", "head"):
        here = tmp_path / side / "acme"
        for version in ("v1", "v2"):
            (here / version).mkdir(parents=True)
            (here / version / "weights.bin").write_text("1")
        (here / "vision.py").write_text("import torch")
        (here / "settings.yaml").write_text("depth: 2")
        (here / "unused.py").write_text("# once")
        (here / "current").symlink_to("v1")
        (tmp_path / side / "README.md").write_text("A project.")
    return {side: tmp_path / side for side in ("base", "head")}


def contents(trees, names=OPENED, listings=(), head=(), **parts):
    """What both arms say; `parts` are head's own, `head` names that head alone opened."""
    known = {"recipe": {"runtime": "eager"}, "packages": {"torch": "2.12.1 ab"}, "outputs": "ff"}
    return {
        side: {
            "parts": {**known, **(parts if side == "head" else {})},
            "tree": str(tree),
            "names": [*names, *(head if side == "head" else ())],
            "listings": list(listings),
            "links": ["acme/current"],
            "taken": [],
            "doubts": [],
        }
        for side, tree in trees.items()
    }


def test_equal_trees_are_identical(trees):
    found = compare(contents(trees))
    assert isinstance(found, Same)
    assert "1 packages, and the same 2 files of the repository were opened" in found.sentence


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "README.md").write_text("Another project."),
        lambda tree: (tree / "test_new.py").touch(),
        lambda tree: (tree / "acme" / "unused.py").write_text("# now"),
        lambda tree: os.utime(tree / "acme" / "vision.py", (1, 1)),
        lambda tree: (tree / "acme" / "__pycache__").mkdir(),
    ],
    ids=["README", "test", "unused module", "time of a file", "cache of Python"],
)
def test_what_was_not_opened_is_let_through(trees, change):
    change(trees["head"])
    assert isinstance(compare(contents(trees, listings=["acme"])), Same)


def relink(tree):
    (tree / "acme" / "current").unlink()
    (tree / "acme" / "current").symlink_to("v2")  # whose files have the same contents


def vanish(tree):
    (tree / "acme" / "settings.yaml").unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tree: (tree / "acme" / "vision.py").write_text("import timm"), "acme/vision.py"),
        (lambda tree: (tree / "acme" / "settings.yaml").write_text("depth: 3"), "settings.yaml"),
        (lambda tree: (tree / "acme" / "not-there.yaml").touch(), "acme/not-there.yaml"),
        (vanish, "acme/settings.yaml"),
        (relink, "where the link acme/current leads"),
        (lambda tree: (tree / "acme" / "new.yaml").touch(), "the names in the folder acme"),
    ],
    ids=["module", "data", "there now", "gone now", "link", "listing"],
)
def test_what_was_opened_and_is_another_is_noticed(trees, change, words):
    change(trees["head"])
    found = compare(contents(trees, listings=["acme"]))
    assert isinstance(found, Unlike)
    assert found.difference == f"not the same: {words}" or found.difference.endswith(words)
    change(trees["base"])
    assert isinstance(compare(contents(trees, listings=["acme"])), Same)


def test_a_link_to_other_contents_is_noticed(trees):
    for tree, text in zip(trees.values(), ("1", "2"), strict=True):
        (tree / "acme" / "v1" / "weights.bin").write_text(text)
    found = compare(contents(trees, names=["acme/current/weights.bin"]))
    assert found == Unlike("not the same: acme/current/weights.bin")


def test_what_one_side_alone_opened_has_to_be_the_same_in_both(trees):
    assert isinstance(compare(contents(trees, head=["acme/unused.py"])), Same)
    (trees["head"] / "acme" / "extra.py").touch()
    found = compare(contents(trees, head=["acme/extra.py"]))
    assert found == Unlike("not the same: acme/extra.py")


def test_an_untracked_file_that_both_took_from_head_is_one_file(trees):
    (trees["head"] / "model.pth").write_text("weights")
    given = contents(trees, head=["model.pth"])
    assert compare(given) == Unlike("not the same: model.pth")
    given["base"]["taken"] = ["model.pth"]
    assert isinstance(compare(given), Same)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"packages": {"torch": "2.14.1 cd"}}, "packages (torch)"),
        ({"packages": {"torch": "2.12.1 ab", "timm": "1 ef"}}, "packages (timm)"),
        ({"recipe": {"runtime": "eager", "limits": {"cosine": 0.9}}}, "recipe (limits)"),
        ({"outputs": "f0"}, "outputs"),
        ({"variables": {"OMP_NUM_THREADS": "aa"}}, "variables"),
    ],
)
def test_all_else_has_to_be_equal(trees, part, words):
    assert compare(contents(trees, **part)) == Unlike(f"not the same: {words}")


@pytest.mark.parametrize("side", ["base", "head"])
def test_where_a_comparison_is_not_enough_the_case_is_timed(trees, side):
    given = contents(trees)
    given[side]["doubts"] = ["the project's code starts a process"]
    assert compare(given) == Unlike(doubt="the project's code starts a process")


def test_native_code_below_the_root_is_a_doubt(trees):
    for tree in trees.values():
        shutil.copyfile(os.path.realpath(sys.executable), tree / "acme" / "fast.so")
    found = compare(contents(trees, head=["acme/fast.so"]))
    assert found == Unlike(doubt="acme/fast.so is native code")


def test_packages_are_compared_by_version_and_files(tmp_path):
    def environment(name, version="1.0", line="acme/a.py,sha256=aa,3", **direct_url):
        folder = tmp_path / name / "acme-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme\nVersion: {version}\n")
        record = f"{line}\nacme-1.0.dist-info/INSTALLER,sha256={name},4\n../bin/acme,sha256={name},"
        (folder / "RECORD").write_text(record)
        (folder / "direct_url.json").write_text(json.dumps(direct_url))
        return packages([str(tmp_path / name)])

    one = environment("one")
    assert one == environment("two")
    assert one["acme"].startswith("1.0 ")
    assert one != environment("newer", version="1.1")
    assert one != environment("patched", line="acme/a.py,sha256=bb,3")
    editable = environment("editable", dir_info={"editable": True})
    assert editable["acme"] == f"1.0 in {sys.prefix}"


PREPARED = {
    "artifact": {"sha256": "aa"}, "weights": "bb", "labels": "cc", "predictions": {"sample": "dd"},
    "load": {},
}  # fmt: skip


def found_by(answer, head=PREPARED, cases=("m/v/cpu/b1", "m/w/cpu/b1")):
    """What is found where an arm answers `contents` by `answer`, and how often it is asked."""
    asked = []

    class Arm:
        def ask(self, request, _):
            asked.append(request)
            return answer()

    @contextmanager
    def arms(sides):
        yield {side: Arm() for side in sides}

    prepared = {"base": PREPARED, "head": head}
    places = {side: Path(side) for side in prepared}
    return find_identical(cases, lambda _: prepared, places, arms, lambda _: None), len(asked)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"artifact": {"sha256": "a0"}}, "the artifact"),
        ({"labels": "c0"}, "the set of labels"),
        ({"predictions": {"sample": "d0"}}, "the set of images, or an answer to one, (sample)"),
    ],
)
def test_what_prepared_otherwise_is_not_asked_for_its_contents(part, words):
    found, asked = found_by(dict, {**PREPARED, **part})
    assert set(found.differences.values()) == {f"not the same: {words}"}
    assert not found.identical
    assert not asked


def test_an_arm_that_does_not_know_the_question_is_asked_once():
    def refuse():
        raise UserError("there is no verb 'contents': hello, prepare")

    found, asked = found_by(refuse)
    assert not found.identical
    assert asked == 2  # of both sides
    (note,) = found.notes
    assert "timed, since contents do not show whether base and head are identical" in note
