"""`prepare = "COMMAND"`: which tree it runs in, when, and what of base is there then."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.asked import asked, base
from tests.helpers.repositories import Repository
from vitbench.case import Case
from vitbench.cli.main import main
from vitbench.duet.base.lacking import incomparable
from vitbench.duet.base.prepare_head import prepare_head
from vitbench.duet.base.side import head
from vitbench.errors import UserError
from vitbench.project.project import read_project

pytest_plugins = ["pytester"]

TABLES = """[tool.vitbench]
prepare = "python export.py"
[tool.vitbench.variants.shipped]
runtime = "openvino"
precision = "int8"
artifact = "build/vit.xml"
"""
EXPORT = """from pathlib import Path
Path("build").mkdir(exist_ok=True)
Path("build/vit.xml").write_text("<net of {side}>")
Path("build/vit.bin").write_text("weights")
print("exported by {side}")
"""
SHIPPED = [Case("deit_tiny_patch16_224", "shipped", "cpu", 1)]


@pytest.fixture
def team(tmp_path):
    """`main`, and a `topic` that is checked out and exports otherwise. The project lies in a folder
    of the repository."""
    repository = Repository(tmp_path / "team")
    repository.write(".gitignore", "build/\n")
    repository.write("app/pyproject.toml", TABLES)
    repository.write("app/export.py", EXPORT.format(side="base"))
    repository.commit_all()
    repository.git("checkout", "-qb", "topic")
    repository.write("app/export.py", EXPORT.format(side="head"))
    repository.commit_all()
    return repository


def head_prepared(team, against="main", seconds=60.0):
    """What the command said in head's tree."""
    said, root = [], team.folder / "app"
    project = read_project(root / "pyproject.toml", root)
    prepare_head(against, root, project, False, seconds, said.append)
    return said


def test_each_side_builds_in_its_own_tree(team):
    said = []
    assert head_prepared(team)[-1] == "head: prepare: exported by head"
    with base("main", team.folder / "app", say=said.append) as side:
        assert said == ["base: prepare: python export.py", "base: prepare: exported by base"]
        (row,) = side.options.project_variants
        assert Path(row.artifact) == side.tree / "build/vit.xml"
        assert Path(row.artifact).read_text() == "<net of base>"
        assert incomparable(SHIPPED, {"base": side, "head": head()}) == {}
    assert (team.folder / "app/build/vit.xml").read_text() == "<net of head>"


LENDING = """[tool.vitbench]
prepare = "python export.py"
[tool.vitbench.models]
mine = "vit_tiny_patch16_224@build/model.pth"
"""
READING = """from pathlib import Path
print(Path("build/model.pth").read_text())
"""


@pytest.mark.parametrize("writes", [False, True])
def test_the_command_finds_the_checkpoint_that_both_take_from_head(team, writes):
    """As a copy: what base's command writes is base's, and head's file stays."""
    team.git("checkout", "-q", "main")
    team.write("app/pyproject.toml", LENDING)
    writing = "Path('build/model.pth').write_text('of base')" if writes else ""
    team.write("app/export.py", READING + writing)
    team.commit_all()
    team.git("checkout", "-qb", "next")
    team.write("app/build/model.pth", "of head")
    team.write("app/new.py", "")
    said = []
    with base("main", team.folder / "app", say=said.append) as side:
        assert said[-1] == "base: prepare: of head"
        (mine,) = side.options.models
        assert Path(mine.path).read_text() == ("of base" if writes else "of head")
        shared = [note for note in side.notes if "app/build/model.pth (checkpoint)" in note]
        assert len(shared) == (0 if writes else 1)
        assert side.lacking == {}
    assert (team.folder / "app/build/model.pth").read_text() == "of head"


def test_a_base_without_the_command_builds_nothing(team):
    """The first change that has it."""
    team.git("checkout", "-q", "main")
    team.write("app/pyproject.toml", TABLES.replace('prepare = "python export.py"', ""))
    team.commit_all()
    team.git("checkout", "-q", "topic")
    head_prepared(team)
    with base("main~0", team.folder / "app") as side:
        assert "base has no prepare in its [tool.vitbench]: nothing was built in its tree" in (
            side.notes
        )
        (says,) = incomparable(SHIPPED, {"base": side, "head": head()}).values()
        assert says.startswith("base has no build/vit.xml for shipped")


def test_where_nothing_is_compared_nothing_is_built(team):
    assert head_prepared(team, "topic") == []
    assert head_prepared(team, sys.prefix) == []
    with base("topic", team.folder / "app") as side:
        assert side.same
        assert not (side.tree / "build").exists()
    team.write("app/export.py", "print('changed')")
    assert head_prepared(team, "topic")[-1] == "head: prepare: changed"


@pytest.mark.parametrize("prepare", [True, False])
def test_a_base_that_does_not_exist_ends_a_run_before_it_begins(team, monkeypatch, capsys, prepare):
    if not prepare:
        team.write("app/pyproject.toml", TABLES.replace('prepare = "python export.py"', ""))
    sentence = "--against=nosuch: neither a git revision here nor the path of an environment or a"
    with pytest.raises(UserError, match=sentence):
        head_prepared(team, "nosuch")
    with pytest.raises(UserError, match="neither an environment"):
        head_prepared(team, str(team.folder))
    monkeypatch.chdir(team.folder / "app")
    assert main(["duet", "--against=nosuch", "--model=py:no.such:module"]) == 4
    assert sentence in capsys.readouterr().err


def test_pytest_names_a_base_that_does_not_exist_and_writes_no_report(team, pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.chdir(team.folder / "app")
    team.write("app/conftest.py", (ROOT / "conftest.py").read_text())  # loads the plugin
    team.write("app/test_latency.py", "from vitbench.benchmarks.test_latency import *\n")
    run = ["-pno:cacheprovider", "-pno:xdist", "--benchmark-only", "--against=nosuch"]
    ended = pytester.runpytest_inprocess(*run, "--model=py:no.such:module")  # is not looked for
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["ERROR: --against=nosuch: neither a git revision here nor*"])
    assert "_pytest.outcomes" not in ended.stdout.str()
    assert not list(team.folder.rglob("reports"))


def test_a_command_that_fails_ends_the_duet_with_its_last_line(team, monkeypatch, capsys):
    team.write("app/export.py", "raise SystemExit('no such model')")
    sentence = "prepare in head (python export.py) ended with status 1: no such model"
    with pytest.raises(UserError) as caught:
        head_prepared(team)
    assert str(caught.value) == sentence
    monkeypatch.chdir(team.folder / "app")
    assert main(["duet", "--against=main", "--variant=shipped"]) == 4
    assert sentence in capsys.readouterr().err
    team.git("checkout", "-q", "-b", "broken")
    team.commit_all()
    team.git("checkout", "-q", "topic")
    words = r"prepare in base \(python export.py\) ended with status 1: no such model"
    with pytest.raises(UserError, match=words), base("broken~0", team.folder / "app"):
        pass


def test_pytest_prepares_head_before_a_duet_alone(team, pytester, monkeypatch):
    """A run without a duet, and a list of its tests, build nothing."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.chdir(team.folder / "app")
    team.write("app/conftest.py", (ROOT / "conftest.py").read_text())  # loads the plugin
    team.write("app/test_latency.py", "from vitbench.benchmarks.test_latency import *\n")
    team.write("app/export.py", "raise SystemExit('no such model')")
    team.write("app/pytest.ini", "[pytest]\n")  # else a checkout around it is the root
    run = ["-pno:cacheprovider", "-pno:xdist", "--benchmark-only", "--variant=fp32"]
    listed = pytester.runpytest_inprocess("--collect-only", "--against=main", *run)
    assert "prepare:" not in listed.stdout.str()
    ended = pytester.runpytest_inprocess("--against=main", *run)
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*prepare in head (python export.py) ended with status 1: no*"])


@pytest.mark.parametrize("value", ['""', "[]", "3", "true"])
def test_what_is_no_command_is_one_sentence(tmp_path, value):
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[tool.vitbench]\nprepare = {value}\n")
    with pytest.raises(UserError, match=r"toml:2: tool.vitbench.prepare should be a command"):
        read_project(path, tmp_path)
    path.write_text("[tool.vitbench]\n")
    assert read_project(path, tmp_path).prepare == ""


def test_a_base_whose_file_cannot_be_read_is_named(team):
    team.git("checkout", "-q", "main")
    team.write("app/pyproject.toml", "[tool.vitbench]\nprepare = 3\n")
    team.commit_all()
    team.git("checkout", "-q", "topic")
    words = r"--against=main~0: in base's files: pyproject.toml:2: tool.vitbench.prepare should"
    with pytest.raises(UserError, match=words), base("main~0", team.folder / "app"):
        pass


def test_a_question_without_prepare_says_nothing(team):
    team.write("app/pyproject.toml", TABLES.replace('prepare = "python export.py"', ""))
    assert head_prepared(team) == []
    assert asked("main", team.folder / "app").project.prepare == ""
