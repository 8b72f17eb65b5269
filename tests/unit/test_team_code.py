"""A team's own code: found, called, and digested by what it imports."""

import os
import sys
from itertools import count

import pytest

from vitbench import team_code, team_sources
from vitbench.errors import UserError

NUMBERS = count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a name of its own, with `nets.py`, below an import root."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(team_code, "_roots", [])
    folder = tmp_path / "src" / f"acme{next(NUMBERS)}"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "nets.py").write_text(
        "import math\n"
        "WIDTH = 3\n"
        "def tiny(width=WIDTH, *, depth=2):\n"
        "    return width, depth\n"
        "def broken():\n"
        "    return math.sqrt(-1)\n"
        "def quits():\n"
        "    raise SystemExit('no GPU')\n"
        "def skips():\n"
        "    import pytest; pytest.skip('no GPU')\n"
        "def needs(width):\n"
        "    print('a line of a training script')\n"
        "    return width\n"
    )
    team_code.use([tmp_path / "src"])
    return folder


def ask(package, name, *given, **named):
    reference = f"{package.name}.{name}"
    return team_code.called(team_code.imported(reference, "mine"), "mine", given, named)


def test_a_function_is_called_with_its_arguments(package, capsys):
    assert ask(package, "nets:tiny", 4, depth=1) == (4, 1)
    assert ask(package, "nets:needs", 5) == 5
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "named", "said"),
    [
        ("net:tiny", {}, r"no module ACME\.net in the package ACME \(src/ACME\); nearest: ACME\.n"),
        ("nets.deep:tiny", {}, r"no module ACME\.nets\.deep: ACME\.nets is a module and no pack"),
        ("nets:tinny", {}, r"ACME\.nets has no tinny; nearest: tiny"),
        ("nets:WIDTH", {}, "WIDTH is of type int and no function"),
        ("nets:broken", {}, r"mine raises ValueError: .*\(ACME/nets\.py, line 6\)"),
        ("nets:quits", {}, r"mine raises SystemExit: no GPU \(ACME/nets\.py, line 8\)"),
        ("nets:skips", {}, r"mine raises Skipped: no GPU \(ACME/nets\.py, line 10\)"),
        ("nets:needs", {}, r"missing a required argument: 'width'\): it is needs\(width\)"),
        ("nets:tiny", {"widht": 1}, "mine has no argument widht; nearest: width"),
        ("nets:broken", {"width": 1}, "mine has no argument width; it takes no arguments by name"),
        ("lacks:f", {}, r"import of ACME\.lacks raises Mod.*: .*'torchfu' \(.*line 2"),
        ("typo:f", {}, r"import of ACME\.typo raises SyntaxError: .*\(ACME/typo\.py, line 1\)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_team_s_code_is_one_sentence(package, name, named, said):
    (package / "lacks.py").write_text("import math\nimport torchfu\n")
    (package / "typo.py").write_text("def f(:\n")
    with pytest.raises(UserError, match=said.replace("ACME", package.name)) as caught:
        ask(package, name, **named)
    assert str(caught.value).startswith("mine")
    assert "\n" not in str(caught.value)


def test_a_package_that_is_nowhere(package):
    with pytest.raises(
        UserError, match=rf"no module akme in the import roots \({package.parent.parent.name}/src\)"
    ):
        team_code.imported("akme.nets:tiny", "mine")
    team_code.use([])
    with pytest.raises(UserError, match="in the import roots, of which there are none"):
        team_code.imported("akme.nets:tiny", "mine")


@pytest.mark.parametrize(
    ("file", "counts"),
    {
        "p/nets.py": True, "p/__init__.py": True, "p/layers.py": True, "p/inner/deep.py": True,
        "p/inner/__init__.py": True, "other.py": True, "p/sizes.yaml": True,
        "p/scales.npz": True, "p/data/deep/scales.pt": True, "plain/m.py": True,
        "plain/m.csv": True, "p/\udcff.txt": True,
        "p/train.py": False, "unused.py": False, "report.json": False, "p/nets.pyc": False,
    }.items(),
)  # fmt: skip
def test_the_digest_is_of_what_the_module_imports(tmp_path, file, counts):
    for name, text in {
        "p/nets.py": "from . import layers\ndef f():\n    from p.inner.deep import x\nimport torch",
        "p/scales.npz": "", "p/data/deep/scales.pt": "", "plain/m.py": "", "plain/m.csv": "",
        "p/layers.py": "import other, plain.m\nfrom .inner import deep", "p/inner/deep.py": "x = 1",
        "p/__init__.py": "", "p/inner/__init__.py": "", "other.py": "not python (",
        "p/sizes.yaml": "", "p/train.py": "", "unused.py": "", "report.json": "", "p/nets.pyc": "",
        "p/\udcff.txt": "",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = team_sources.digest("p.nets", [tmp_path])
    with (tmp_path / file).open("a") as opened:
        opened.write("\n")
    assert (team_sources.digest("p.nets", [tmp_path]) != before) == counts


def test_a_large_file_of_data_counts_by_its_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(team_sources, "LARGE", 3)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "__init__.py").touch()
    (tmp_path / "p" / "loop").symlink_to(tmp_path / "p")
    file = tmp_path / "p" / "weights.pt"
    found = set()
    for text in ("four", "fives"):
        file.write_text(text)
        found.add(team_sources.digest("p", [tmp_path]))
    os.utime(file, (1, 1))
    assert len({*found, team_sources.digest("p", [tmp_path])}) == 3


def test_an_installed_package_counts_and_what_lies_beside_it_does_not(package):
    (package / "nets.py").write_text("import beside\n")
    (package.parent / "beside.py").write_text("")
    ask_for = f"{package.name}.nets:tiny"
    __import__(f"{package.name}.nets")
    team_code.use([])
    before = team_code.digest(ask_for)
    (package.parent / "beside.py").write_text("x = 1")
    assert team_code.digest(ask_for) == before
    (package / "nets.py").write_text("import beside, math\n")
    assert team_code.digest(ask_for) != before
