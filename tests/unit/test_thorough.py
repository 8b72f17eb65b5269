"""What is known of the last run of the thorough tests."""

import json

import pytest

from tests.helpers.thorough import Record, read, write

pytest_plugins = ["pytester"]
RECORD = Record("2026-01-31", "0123456789abcdef+", "a CPU, 2 cores", 60, 1, 2, 3000)


def test_the_record_in_this_repository_can_be_read():
    read()


def test_a_record_is_read_as_it_was_written(tmp_path):
    write(RECORD, tmp_path / "x.json")
    assert read(tmp_path / "x.json") == RECORD
    assert read(tmp_path / "none.json") is None
    assert RECORD.sentence() == (
        "thorough tests: last run on 2026-01-31, at 0123456789ab, on a CPU, 2 cores: "
        "60 passed, 1 failed, 2 skipped in 3000 s"
    )


@pytest.mark.parametrize(
    "change",
    [{"date": "yesterday"}, {"commit": "main"}, {"passed": 0}, {"failed": "1"}, {"more": 1}],
)
def test_what_is_no_record_is_refused(tmp_path, change):
    write(RECORD, tmp_path / "x.json")
    text = json.loads((tmp_path / "x.json").read_text())
    (tmp_path / "x.json").write_text(json.dumps(text | change))
    with pytest.raises(ValueError):  # noqa: PT011 - each names its own figure
        read(tmp_path / "x.json")


TESTS = """
import pytest
@pytest.mark.thorough
def test_fine(): pass
@pytest.mark.thorough
def test_wrong(): assert False
def test_other(): pass
"""


@pytest.mark.parametrize(("options", "written"), [((), True), (("-k", "fine"), False)])
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
        assert (record.passed, record.failed, record.skipped) == (1, 1, 0)
        assert record.date >= "2026"
        assert record.machine
    else:
        assert "is not written: this run is a part of them" in done.stdout.str()
