"""The two sides of a team's repository, where git does not track all that its tables name."""

import pytest

from tests.helpers.asked import asked, base
from tests.helpers.repositories import Repository, pointer
from vitbench.case import Case
from vitbench.duet.play import Duet
from vitbench.duet.rule import Rule
from vitbench.duet.sides import sides_of
from vitbench.errors import UserError

TABLES = """[tool.vitbench.models]
mine = "vit_tiny_patch16_224@out/model.pth"
other = "vit_tiny_patch16_224@other.pth"
[tool.vitbench.variants.shipped]
runtime = "openvino"
precision = "int8"
artifact = "build/vit.xml"
model = "mine"
"""


@pytest.fixture
def team(tmp_path):
    """`main`, and a `topic` that is checked out and differs."""
    repository = Repository(tmp_path / "team")
    repository.write(".gitignore", "out/\nbuild/\n")
    repository.write("pyproject.toml", TABLES)
    repository.write("requirements.txt", "torch==2.12")
    repository.write("other.pth", "weights of base")
    repository.commit_all()
    repository.git("checkout", "-qb", "topic")
    repository.write("other.pth", "weights of head")
    repository.commit_all()
    repository.write("out/model.pth", "weights")
    repository.write("build/vit.xml", "<net>")
    repository.write("build/vit.bin", "weights")
    return repository


def verdicts(team, *names, **more):
    """What a duet says of these variants of `mine`. Where none can be compared, no arm starts."""
    cases = [Case("mine", name, "cpu", 1) for name in names]
    question = asked("main", team.folder, **more)
    with sides_of(question) as sides:
        found = Duet(sides, question.options).run(cases, Rule(0.03, 20), 1.0)
    return {verdict.case: (verdict.state, verdict.sentence) for verdict in found}


def test_what_git_tracks_is_bases_own_and_else_heads(team):
    with base("main", team.folder) as side:
        mine, other = side.options.models
        assert mine.path == str(team.folder / "out/model.pth")
        assert other.path == str(side.tree / "other.pth")
        assert (side.tree / "other.pth").read_text() == "weights of base"
        assert side.notes == (
            "git does not track what both sides take from head: out/model.pth (checkpoint). A "
            "change of it is not compared",
        )
        assert side.lacking == {}


def test_an_artifact_without_a_file_of_base_cannot_be_compared(team):
    state, says = verdicts(team, "shipped")["mine/shipped/cpu/b1"]
    assert state == "INCOMPARABLE"
    assert says.startswith("base has no build/vit.xml for shipped, and git does not track it: give")
    assert "--base-artifact=shipped=FILE" in says


def test_a_file_of_base_may_be_given(team, tmp_path):
    (tmp_path / "vit.xml").write_text("<net old>")
    (tmp_path / "vit.bin").write_text("weights")
    with base("main", team.folder, base_artifacts=[str(tmp_path / "vit.xml")]) as side:
        assert [row.artifact for row in side.options.project_variants] == [
            str(tmp_path / "vit.xml")
        ]
        assert "base's file of shipped is vit.xml" in side.notes
    # One commit, and yet there is something to compare.
    with base("topic", team.folder, base_artifacts=[f"shipped={tmp_path}/vit.xml"]) as side:
        assert side.same == ""
    with base("topic", team.folder) as side:
        assert side.same != ""


def test_a_pointer_of_git_lfs_is_no_checkpoint_of_base(team):
    team.git("checkout", "-q", "main")
    team.write("other.pth", pointer(b"weights of base"))
    team.commit_all()
    team.git("checkout", "-q", "topic")
    team.git("rebase", "-q", "-X", "theirs", "main")
    with base("main", team.folder) as side:
        assert "base's other.pth is a pointer of Git LFS" in "".join(side.lacking.values())
    team.write("other.pth", "weights of base")
    with base("main", team.folder) as side:
        assert side.lacking == {}
        assert side.options.models[1].path == str(team.folder / "other.pth")


def test_a_model_of_base_whose_file_is_nowhere_stops_no_other(team):
    team.write("pyproject.toml", TABLES.replace("out/model.pth", "out/new.pth"))
    team.commit_all()
    (team.folder / "out/model.pth").rename(team.folder / "out/new.pth")
    with base("main", team.folder) as side:
        assert [spec.name for spec in side.options.models] == ["other"]
    state, says = verdicts(team, "fp32")["mine/fp32/cpu/b1"]
    assert state == "INCOMPARABLE"
    assert says.startswith("base cannot have this model: ")
    assert "out/model.pth does not exist" in says


def test_other_packages_are_said(team):
    team.write("requirements.txt", "torch==2.13")
    with base("main", team.folder) as side:
        assert (
            "base declares other packages than head (requirements.txt), and both sides run with "
            "the packages that are installed here: --against=ENVIRONMENT compares packages"
        ) in side.notes
    team.write("requirements.txt", "torch==2.12  # as before")
    with base("main", team.folder) as side:
        assert not any("packages" in note for note in side.notes)


def test_the_images_are_heads(team):
    """Tracked or not: on other images, predictions could not be compared."""
    from vitbench.duet.base.own_paths import OwnPaths
    from vitbench.duet.base.untracked import Untracked

    base_tree = team.folder.with_name("base")
    (base_tree / "tracked").mkdir(parents=True)
    for name in ("tracked/a.png", "out/b.png"):
        team.write(name, "image")
    find = OwnPaths(Untracked(team.folder, base_tree))
    for name in ("tracked", "out", "none"):
        assert find(team.folder / name, "images") == team.folder / name
    assert find.files.notes()[0].startswith(
        "git does not track what both sides take from head: out (images)."
    )


def test_what_cannot_be_meant_ends_before_anything_is_built(team):
    with (
        pytest.raises(UserError, match=r"--base-artifact=none\.xml: none\.xml does not exist"),
        base("main", team.folder, base_artifacts=["none.xml"]),
    ):
        pass
