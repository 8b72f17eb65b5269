"""Two revisions of a project's own repository: each side has its own files, tables and folders."""

import os
from pathlib import Path

import pytest

from tests.helpers.asked import asked, base
from tests.helpers.repositories import Repository
from vitbench.case import Case
from vitbench.duet.base.commit import commits_of
from vitbench.duet.base.lost import lost_cases
from vitbench.duet.base.own_paths import below
from vitbench.duet.sides import sides_of
from vitbench.errors import UserError
from vitbench.place import CHECKOUT, PACKAGE

TABLES = """
[tool.vitbench.models]
mine = { timm = "vit_tiny_patch16_224", checkpoint = "weights/a.pth", labels = "labels.txt" }
[tool.vitbench.variants.shipped]
runtime = "onnxruntime"
artifact = "built/vit.onnx"
model = "mine"
"""
PY = '[tool.vitbench.models]\nmine = "py:acme:make"\n'


@pytest.fixture
def repository(tmp_path):
    """Two commits; the second changes every file and adds a model and a variant."""
    found = Repository(tmp_path / "r")
    for name in ("weights/a.pth", "labels.txt", "built/vit.onnx", "photos/one.png", "acme.py"):
        found.write(name, "of base")
    found.write("pyproject.toml", TABLES)
    found.commit_all("base")
    for name in ("weights/a.pth", "labels.txt", "built/vit.onnx", "photos/one.png", "acme.py"):
        found.write(name, "of head")
    found.write("pyproject.toml", TABLES.replace("weights/a.pth", "weights/b.pth") + NEW)
    found.write("weights/b.pth", "of head")
    (found.folder / "weights" / "a.pth").unlink()
    found.commit_all("head")
    return found


NEW = """
[tool.vitbench.variants.fresh]
runtime = "eager"
[tool.vitbench.models.other]
timm = "vit_small_patch16_224"
"""


def read(path):
    return Path(path).read_text()


def test_each_side_has_its_own_definitions_and_the_files_that_they_name(repository):
    with sides_of(asked("HEAD~1", repository.folder)) as sides:
        for side in ("base", "head"):
            found, options = sides[side], sides[side].options
            spec = next(spec for spec in options.models if spec.name == "mine")
            shipped = next(row for row in options.project_variants if row.name == "shipped")
            assert {read(p) for p in (spec.path, spec.labels, shipped.artifact)} == {f"of {side}"}
            assert found.tree == found.cwd
            assert read(found.tree / "acme.py") == f"of {side}"
        assert Path(sides["base"].options.models[0].path).name == "a.pth"  # which head renamed
        assert [spec.name for spec in sides["base"].options.models] == ["mine"]
        assert [row.name for row in sides["base"].options.project_variants] == ["shipped"]
        assert sides["head"].tree == repository.folder


def test_who_has_a_tree_of_its_own_is_kept_apart_from_the_user_s(repository):
    """Base in a duet; each commit in a bisection."""
    top = str(repository.folder)
    with sides_of(asked("HEAD~1", repository.folder)) as sides:
        assert sides["head"].trees is None
        assert sides["base"].trees == {"own": str(sides["base"].top), "other": top}
    with (
        commits_of(asked("HEAD", repository.folder)) as open_commit,
        open_commit("HEAD~1", "one") as one,
        open_commit("HEAD", "two") as two,
    ):
        assert [side.trees["other"] for side in (one, two)] == [top, top]
        assert one.trees["own"] != two.trees["own"]


def test_both_sides_import_one_vitbench_where_it_lies_elsewhere(repository):
    with sides_of(asked("HEAD~1", repository.folder)) as sides:
        folders = {side.folder for side in sides.values()}
        assert len(folders) == 1
        assert (folders.pop() / "vitbench").resolve() == PACKAGE


@pytest.mark.skipif(CHECKOUT is None, reason="vitbench is installed")
@pytest.mark.parametrize("name", ["photos", "{root}/photos", "../r/photos", "{link}/photos"])
def test_a_path_of_the_command_line_is_each_sides_own(repository, tmp_path, name):
    (tmp_path / "link").symlink_to(repository.folder)
    name = name.format(root=repository.folder, link=tmp_path / "link")
    with base(
        "HEAD~1", repository.folder, texts=[f"m=vit_tiny_patch16_224@{name}/one.png"]
    ) as side:
        assert read(side.options.models[0].path) == "of base"


def test_a_path_outside_of_the_repository_is_one_file(repository, tmp_path):
    (tmp_path / "out.pth").write_text("shared")
    for name in ("../out.pth", str(tmp_path / "out.pth")):
        text = f"m=vit_tiny_patch16_224@{name}"
        with base("HEAD~1", repository.folder, texts=[text]) as side:
            assert side.options.models[0].path == str(tmp_path / "out.pth")


def test_a_link_leads_to_a_path_and_is_not_followed_itself(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").symlink_to("/elsewhere")
    (tmp_path / "way").symlink_to(tmp_path / "real")
    assert below(tmp_path / "way" / "file", (tmp_path / "real").resolve()) == Path("file")
    assert below(tmp_path / "real" / ".." / "x", (tmp_path / "real").resolve()) is None


@pytest.mark.parametrize(
    ("files", "roots"),
    [
        ({"acme.py": ""}, [""]),
        ({"src/acme.py": ""}, ["src"]),
        ({"lib/acme.py": "", "pyproject.toml": PY + '[tool.pytest.ini_options]\npythonpath="lib"'},
         ["lib"]),
        ({"lib/acme.py": "", "pytest.ini": "[pytest]\npythonpath = lib more"}, ["lib", "more"]),
        ({"lib/acme.py": "", "setup.cfg": "[tool:pytest]\npythonpath = lib"}, ["lib"]),
        ({"acme.py": "", "tox.ini": "[testenv]\npythonpath = lib"}, [""]),
    ],
)  # fmt: skip
def test_code_is_imported_from_base_s_own_roots(tmp_path, files, roots):
    repository = Repository(tmp_path / "r")
    for name, text in {"pyproject.toml": PY, **files}.items():
        repository.write(f"services/vision/{name}", text)
    repository.commit_all()
    repository.commit("more")
    project = repository.folder / "services" / "vision"
    (project / "new").mkdir()  # base's tree does not have it
    with base("HEAD~1", project / "new", project) as side:
        assert side.tree == side.top / "services" / "vision"
        assert side.options.import_roots == tuple(side.tree / each for each in roots)
        assert side.cwd == side.tree / "new"
        assert side.cwd.is_dir()


def test_entries_of_pythonpath_below_head_s_tree_become_base_s(repository, tmp_path, monkeypatch):
    entries = [
        str(repository.folder / "weights"),
        str(tmp_path),
        "photos",
        f"{repository.folder}/no",
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entries))
    with base("HEAD~1", repository.folder) as side:
        assert side.path == (str(side.tree / "weights"), *entries[1:])


def test_a_base_without_tables_takes_head_s_with_its_own_files(tmp_path):
    repository = Repository(tmp_path / "r")
    repository.commit("weights/a.pth", "labels.txt", "built/vit.onnx")
    repository.write("pyproject.toml", TABLES)
    repository.write("labels.txt", "of head")
    repository.commit_all()
    with base("HEAD~1", repository.folder) as side:
        (spec,), (row,) = side.options.models, side.options.project_variants
        assert read(spec.labels) == "labels.txt"
        assert row.artifact == str(side.tree / "built" / "vit.onnx")
        assert any("base has no [tool.vitbench] in its pyproject.toml" in n for n in side.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.vitbench]\nmodel = 1", r"pyproject.toml:2: .* has no key 'model'"),
        ("[tool.vitbench", r"pyproject.toml: not a TOML file"),
    ],
)
def test_a_table_of_base_that_cannot_be_meant_is_said_to_be_base_s(tmp_path, text, words):
    repository = Repository(tmp_path / "r")
    repository.write("pyproject.toml", text)
    repository.commit_all()
    repository.write("pyproject.toml", PY)
    repository.commit_all()
    with (
        pytest.raises(UserError, match=f"--against=HEAD~1: in base's files: {words}"),
        base("HEAD~1", repository.folder),
    ):
        pass


@pytest.mark.parametrize("texts", [(), ("mine",), ("x=mine",)])
def test_a_model_that_base_s_tables_lack_is_none_of_base_s(tmp_path, texts):
    """`mine` alone would be a name of timm."""
    repository = Repository(tmp_path / "r")
    repository.write("pyproject.toml", '[tool.vitbench.models]\nold = "vit_tiny_patch16_224"\n')
    repository.commit_all()
    repository.write("pyproject.toml", PY)
    repository.commit_all()
    with sides_of(asked("HEAD~1", repository.folder, texts=texts)) as sides:
        mine = {spec.name for spec in sides["head"].options.models}
        assert not mine & {spec.name for spec in sides["base"].options.models}


def test_what_head_has_lost_is_missing(repository):
    """From the later commit's point of view; what --variant leaves out is not lost."""
    repository.git("branch", "later")
    repository.git("reset", "-q", "--hard", "HEAD~1")
    cases = [Case("mine", "fp32", "cpu", 1), Case("mine", "shipped", "cpu", 1)]
    with sides_of(asked("later", repository.folder, tip=True)) as sides:
        found = lost_cases(cases, sides)
        assert {each.case: each.state for each in found} == {
            f"{model}/{variant}/cpu/b1": "MISSING"
            for model, variant in [("other", "fp32"), ("other", "shipped"), ("mine", "fresh")]
        }
        assert found[0].sentence == (
            "base has this case, head has no model 'other' in its pyproject.toml"
        )
    assert lost_cases(cases, {"base": sides["head"], "head": sides["base"]}) == []


def test_a_base_without_the_project_s_folder_is_one_sentence(repository):
    (repository.folder / "sub").mkdir()
    with (
        pytest.raises(UserError, match="--against=HEAD~1: base has no folder sub"),
        base("HEAD~1", repository.folder / "sub"),
    ):
        pass


def test_labels_and_json_say_what_base_is(repository):
    head = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "-qb", "topic", "HEAD~1")
    left = repository.git("rev-parse", "HEAD")
    repository.commit("own")
    with sides_of(asked("main", repository.folder)) as sides:
        found = sides["base"]
        assert (found.label, found.commit, found.merge_base_of) == (
            f"main ({left[:10]})",
            left,
            "main",
        )
        assert sides["head"].label == f"this checkout ({repository.git('rev-parse', 'HEAD')[:10]})"
    with base("main", repository.folder, tip=True) as found:
        assert (found.label, found.commit, found.merge_base_of) == (f"main ({head[:10]})", head, "")


@pytest.mark.parametrize("place", ["tools", "tools/deep", ".git"])
def test_a_working_folder_that_base_cannot_have_is_one_sentence(repository, place):
    root = repository.folder
    repository.write("tools", "a file")
    repository.commit_all("a file")
    (root / "tools").unlink()
    repository.write("tools/deep/run.py", "a folder")
    repository.commit_all("a folder")
    said = f"--against=HEAD~1: base cannot have the folder {place}, in which this command was"
    with pytest.raises(UserError, match=said), base("HEAD~1", root / place, root):
        pass
    with base("HEAD~2", root / "tools", root) as side:
        assert side.cwd.is_dir()
