"""Which cases are identical by contents: what must be noticed, and what must be let through."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.unit.test_conclude import answer as made
from vitbench.duet.base.side import Side
from vitbench.duet.contents.identical import Same, Unlike, compare, find_identical
from vitbench.duet.contents.installed import packages
from vitbench.duet.progress import Progress
from vitbench.duet.rule import Rule
from vitbench.duet.verdicts import SIDES, Played, conclude
from vitbench.duet.worker import Arm
from vitbench.errors import UserError, WorkerFailed
from vitbench.judge.verdict import exit_code

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
    assert (
        "variables and packages (1); and the files of the repository that were opened are the "
        in (found.sentence)
    )
    assert found.sentence.endswith("same (2)")


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
        (lambda tree: (tree / "acme" / "settings.yaml").chmod(0o755), "acme/settings.yaml"),
        (relink, "where the link acme/current leads"),
        (lambda tree: (tree / "acme" / "new.yaml").touch(), "the names in the folder acme"),
    ],
    ids=["module", "data", "there now", "gone now", "executable", "link", "listing"],
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
    for command in (["init", "-q"], ["add", "model.pth"]):
        subprocess.run(["git", *command], cwd=trees["head"], check=True)
    assert compare(given) == Unlike("not the same: model.pth")  # base's commit does not have it


def test_what_base_has_of_head_by_a_link_is_not_mixed(trees):
    (trees["head"] / "model.pth").write_text("weights")
    (trees["base"] / "model.pth").symlink_to(trees["head"] / "model.pth")
    given = contents(trees, names=["model.pth"])
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


CASE = "m/v/cpu/b1"


def found_by(tmp_path, answer, head=None, more=None, state="KEPT", failing=False):
    """The progress of two cases where an arm answers `contents` by `answer`; what was said; how
    often an arm was asked."""
    asked, said = [], []

    class Arm:
        def ask(self, request, _):
            asked.append(request)
            if failing:
                raise WorkerFailed("the worker failed")
            return answer(request)

    @contextmanager
    def arms(sides):
        yield {side: Arm() for side in sides}

    cases, progress = [CASE, "m/w/cpu/b1"], Progress()
    sides = {side: Side(side, "python", tmp_path, tree=tmp_path / side) for side in SIDES}
    for side, tree in sides.items():
        (tree.tree / "acme").mkdir(parents=True, exist_ok=True)
        own = head if side == "head" and head else {}
        prepared = {**made(state), "artifact": {"sha256": "aa"}, "weights": "b", "load": {}, **own}
        progress.prepared[side] = dict.fromkeys(cases, prepared)
    if more:
        more(tmp_path)
    played = Played(cases, progress.prepared, {"base": {}, "head": {}}, {}, {})
    find_identical(played, sides, arms, progress, said.append)
    return progress, said, len(asked)


def whole(request):
    """What an arm says that opened one file."""
    return {
        "parts": {"packages": {"torch": "2"}}, "tree": request["tree"], "names": ["acme/a.yaml"],
        "listings": [], "links": [], "taken": [], "doubts": [],
    }  # fmt: skip


def test_an_identical_case_is_the_same_and_is_not_timed(tmp_path):
    progress, _, asked = found_by(tmp_path, whole)
    verdict = progress.identical[CASE]
    assert (verdict.state, verdict.figures["identical"]) == ("SAME", True)
    assert asked == 4  # two cases of two sides, each in an arm of its own
    assert not progress.notes
    played = Played([CASE], progress.prepared, {"base": {}, "head": {}}, {}, {},
                    identical=progress.identical)  # fmt: skip
    assert not played.timed(CASE)
    (concluded,) = conclude(played, Rule())
    assert (concluded.state, concluded.sentence) == ("SAME", verdict.sentence)
    assert concluded.figures["identical"]
    assert exit_code([concluded]) == 0


def test_what_is_broken_alike_on_both_sides_is_not_identical(tmp_path):
    progress, _, asked = found_by(tmp_path, whole, state="BROKEN")
    assert not asked
    played = Played([CASE], progress.prepared, {"base": {}, "head": {}}, {}, {},
                    identical=progress.identical)  # fmt: skip
    assert conclude(played, Rule())[0].state == "INCOMPARABLE"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"artifact": {"sha256": "a0"}}, "the artifact"),
        ({"labels": "c0"}, "the set of labels"),
        ({"predictions": {**made()["predictions"], "sample": "d0"}}, "(sample)"),
    ],
)
def test_of_what_prepared_otherwise_base_alone_is_asked_for_its_contents(tmp_path, part, words):
    progress, said, asked = found_by(tmp_path, whole, part)
    assert words in said[1]
    assert not progress.identical
    assert not progress.incomparable
    assert not progress.notes
    assert asked == 2  # of two cases
    progress, _, asked = found_by(tmp_path / "failing", whole, part, failing=True)
    assert not progress.notes  # the difference is known
    assert asked == 2


def test_where_other_packages_are_declared_nothing_is_identical(tmp_path):
    def declare(folder):
        (folder / "head" / "requirements.txt").write_text("torch==2.14.1\n")

    progress, said, asked = found_by(tmp_path, whole, more=declare)
    assert said[0] == "no case is identical: other packages are declared in requirements.txt"
    assert not progress.identical
    assert not progress.notes
    assert asked == 2


@pytest.mark.parametrize("known", [False, True], ids=["equal", "other packages"])
@pytest.mark.parametrize("text", ["head", "base"])
def test_base_that_reads_another_file_of_head_is_not_compared(tmp_path, known, text):
    def write(folder):
        (folder / "base" / "acme" / "a.yaml").write_text("base")
        (folder / "head" / "acme" / "a.yaml").write_text(text)
        (folder / "head" / "acme" / "untracked.pth").write_text("of head alone")
        for side in ("base", "head"):  # a work tree each, wherever the tests lie
            subprocess.run(["git", "init", "-q", folder / side], check=True)
        if known:
            (folder / "head" / "requirements.txt").write_text("torch==2.14.1")

    def taken(request):
        return {**whole(request), "names": [], "taken": ["acme/a.yaml", "acme/untracked.pth"]}

    progress, _, _ = found_by(tmp_path, taken, more=write)
    assert bool(progress.incomparable) is (text == "head")
    if text == "head":
        told = "the code of the commit reads acme/a.yaml from your own work tree"
        assert progress.incomparable[CASE].startswith(told)
        assert not progress.identical
    else:
        assert bool(progress.identical) is not known


def test_an_arm_that_does_not_know_the_question_is_asked_once(tmp_path):
    def refuse(_):
        raise UserError("there is no verb 'contents': hello, prepare")

    progress, _, asked = found_by(tmp_path, refuse)
    assert not progress.identical
    assert asked == 2  # of both sides
    (note,) = progress.notes
    assert note.startswith(f"{CASE}: timed, since contents do not show")


def test_an_arm_that_times_has_no_recorder():
    """A hook cannot be removed: who records times nothing, and nothing else imports it."""
    arm = Arm()
    arm._records = True
    with pytest.raises(UserError, match="this worker records what is opened: it times nothing"):
        arm.load({})
    code = "import vitbench.duet.worker, sys; print('vitbench.duet.contents.opened' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout == "False\n"
