"""What is known of the last run of the thorough tests."""

import json
import subprocess

import pytest

from tests.conftest import ROOT
from tests.helpers.thorough import Part, Record, commit, plain_id, read, record_of, write

pytest_plugins = ["pytester"]
TOGETHER, ALONE = Part(59, 1, 2, 2900, ("tests/a.py::test_b",)), Part(1, 0, 0, 100)
RECORD = Record(
    "2026-01-31", "0123456789abcdef+", "a CPU, 2 cores", {"python": "3.11.7"},
    {"together": TOGETHER, "alone": ALONE},
)  # fmt: skip


def test_the_record_in_this_repository_can_be_read():
    read()


def test_a_record_is_read_as_it_was_written(tmp_path):
    write(RECORD, tmp_path / "x.json")
    assert read(tmp_path / "x.json") == RECORD
    assert read(tmp_path / "none.json") is None
    assert RECORD.sentence() == (
        "thorough tests: last run on 2026-01-31, at 0123456789ab, on a CPU, 2 cores: "
        "60 passed, 1 failed, 2 skipped in 3000 s; failed: tests/a.py::test_b"
    )


PART = {"passed": 1, "failed": 0, "skipped": 0, "seconds": 1, "failures": []}


@pytest.mark.parametrize(
    "change",
    [
        {"date": "yesterday"},
        {"commit": "main"},
        {"more": 1},
        {"parts": {}},
        {"parts": {"some": PART}},
        {"parts": {"alone": PART | {"passed": 0}}},
        {"parts": {"alone": PART | {"skipped": "1"}}},
        {"parts": {"alone": PART | {"failed": 1}}},
        {"parts": [PART]},
    ],
)
def test_what_is_no_record_is_refused(tmp_path, change):
    write(RECORD, tmp_path / "x.json")
    text = json.loads((tmp_path / "x.json").read_text())
    (tmp_path / "x.json").write_text(json.dumps(text | change))
    with pytest.raises(ValueError):  # noqa: PT011 - each names its own figure
        read(tmp_path / "x.json")
    (tmp_path / "x.json").write_text(json.dumps(text | {"parts": {"alone": PART}}))
    assert read(tmp_path / "x.json")


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "tests").mkdir()
    for name in ("a.py", "tests/thorough.json"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "one")
    return tmp_path


def test_the_parts_of_one_state_are_one_record(repository):
    together = record_of(repository, "together", TOGETHER)
    assert "the part 'alone' did not run" in together.sentence()
    (repository / "tests/thorough.json").write_text("2")  # as the first part does
    both = record_of(repository, "alone", ALONE, together)
    assert both.parts == {"together": TOGETHER, "alone": ALONE}
    assert both.commit == commit(repository)
    (repository / "a.py").write_text("2")
    assert record_of(repository, "alone", ALONE, both).parts == {"alone": ALONE}
    assert commit(repository).endswith("+")


def test_the_group_of_a_test_is_not_its_name():
    assert plain_id("tests/a.py::test_b[x@y]@a b") == "tests/a.py::test_b[x@y]"
    assert plain_id("tests/a.py::test_b[x@y]") == "tests/a.py::test_b[x@y]"


TESTS = """
import pytest
@pytest.fixture
def broken(): raise ValueError
@pytest.mark.thorough
def test_fine(): pass
@pytest.mark.thorough
def test_wrong(): assert False
@pytest.mark.thorough
def test_not_set_up(broken): pass
def test_other(): pass
"""


@pytest.mark.parametrize(
    ("options", "written"), [(("--thorough-part=alone",), True), (("-k", "fine"), False)]
)
def test_a_whole_run_leaves_a_record_and_a_part_of_it_does_not(pytester, options, written):
    pytester.makeconftest("from tests.conftest import *")
    pytester.makeini("[pytest]\nmarkers = thorough")
    pytester.makepyfile(TESTS)
    file = pytester.path / "record.json"
    done = pytester.runpytest(
        "-pno:cacheprovider", "-m", "thorough", f"--thorough-record={file}", *options
    )
    assert file.exists() is written
    if written:
        record = read(file)
        (name,) = record.parts
        found = record.parts[name]
        assert (name, found.passed, found.failed, found.skipped) == ("alone", 1, 2, 0)
        names = {each.partition("::")[2] for each in found.failures}
        assert names == {"test_wrong", "test_not_set_up"}
        assert record.date >= "2026"
        assert record.machine
        assert record.versions["python"]
    else:
        assert "is not written: this run is a part of them" in done.stdout.str()


def test_what_times_is_in_the_part_that_runs_alone():
    """tox names its file: each thorough test is in one of the two parts."""
    text = (ROOT / "tox.ini").read_text()
    commands = text.partition("[testenv:thorough]")[2].partition("[testenv:bench]")[0]
    first, second = commands.replace("\\\n", " ").split("python -m pytest")[1:]
    file = "tests/fidelity/test_fidelity.py"
    assert f"--ignore={file}" in first
    assert second.split()[0] == file
    assert "-n 2" in first
    assert "-n" not in second.split()
    assert [each.partition("--thorough-part=")[2].split()[0] for each in (first, second)] == [
        "together", "alone",
    ]  # fmt: skip
