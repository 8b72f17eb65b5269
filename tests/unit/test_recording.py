"""The report after every benchmark, without a run."""

import json
import os
import tempfile
from types import SimpleNamespace

import pytest

from tests.unit.test_gate import run, timed
from vitbench.errors import UserError
from vitbench.plugin import destination, recording
from vitbench.plugin.options import SESSION
from vitbench.plugin.recording import RECORDER, Recorder


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """A recorder of a run with two rows, whose disk is full while `disk.full`."""
    disk = SimpleNamespace(full=True, said=[], room=tmp_path / "temporary")
    rows = [SimpleNamespace(fullname="a"), SimpleNamespace(fullname="b")]
    config = SimpleNamespace(
        stash=pytest.Stash(), rootpath=tmp_path,
        option=SimpleNamespace(vitbench_reports=None, vitbench_report=None, collectonly=False),
        invocation_params=SimpleNamespace(dir=tmp_path),
        _benchmarksession=SimpleNamespace(benchmarks=rows, disabled=False),
    )  # fmt: skip
    config.stash[SESSION] = SimpleNamespace(say=disk.said.append)
    found = config.stash[RECORDER] = Recorder(config)
    monkeypatch.setattr(found, "report", lambda: run(timed()))
    monkeypatch.setattr(tempfile, "tempdir", str(disk.room))
    write = recording.write

    def full(path, text):
        if disk.full and (disk.full == "everywhere" or path.parent != disk.room):
            raise UserError(f"{path}: cannot write it: No space left on device")
        write(path, text)

    monkeypatch.setattr(recording, "write", full)
    monkeypatch.setattr(destination, "write", full)
    found.disk = disk
    return found


def test_a_full_disk_stops_no_measurement(recorder):
    recorder.write()
    recorder.failed["c"] = "no"
    recorder.write()
    (line,) = recorder.disk.said
    assert line.endswith("No space left on device; the run goes on and tries again")
    assert not recorder.path.exists()
    recorder.disk.full = False
    recorder.write()
    assert recorder.unwritten is None
    assert recorder.path.exists()


def test_a_run_whose_cases_all_failed_leaves_a_report(recorder):
    """Else the newest report of the folder would be an older run's."""
    recorder.disk.full = False
    recorder.benchmarks.benchmarks.clear()
    recorder.failed["a"] = "no"
    recorder.write()  # a run that times nothing, of the consistency suite, has no report
    assert recorder.path is None
    recorder.times = True
    recorder.write()
    assert recorder.path.exists()


@pytest.mark.parametrize(
    ("full", "words"), [(True, "the report is in"), ("everywhere", "the report is lost")]
)
def test_rows_that_found_no_room_to_the_end_go_elsewhere_and_the_run_fails(recorder, full, words):
    recorder.disk.full = full
    session = SimpleNamespace(config=recorder.config, exitstatus=0, shouldstop="", shouldfail="")
    finish = recording.pytest_sessionfinish(session, pytest.ExitCode.OK)
    next(finish)
    assert session.exitstatus == pytest.ExitCode.USAGE_ERROR
    assert words in recorder.unwritten
    assert len(list(recorder.disk.room.glob("*.json"))) == (full is True)


MARK = pytest.mark.measures("latency", batches=(1,)).mark
ITEM = SimpleNamespace(iter_markers=lambda _: [MARK], fixturenames=["benchmark"])


def test_a_folder_that_takes_no_report_is_told_before_the_first_test(recorder, tmp_path):
    with pytest.raises(pytest.UsageError, match=r"--reports: .*No space left"):
        recording.pytest_report_collectionfinish(recorder.config, [ITEM])
    recording.pytest_report_collectionfinish(recorder.config, [])
    recorder.disk.full = False
    recording.pytest_report_collectionfinish(recorder.config, [ITEM])
    assert list((tmp_path / "reports/history").iterdir()) == []


@pytest.mark.parametrize("items", [[ITEM], []])
def test_the_report_has_the_path_that_was_asked_for_and_no_older_one_is_left(
    recorder, tmp_path, items
):
    file = tmp_path / "made" / "mine.json"
    recorder.disk.full = False
    recorder.config.option.vitbench_report = "made/mine.json"
    recording.pytest_configure(recorder.config)
    recording.pytest_report_collectionfinish(recorder.config, items)
    assert not list(file.parent.iterdir())
    recorder.write()
    assert recorder.path == file
    assert json.loads(file.read_text())["benchmarks"]
    # The next run may be killed, or have nothing to time: its file is not this one.
    recording.pytest_report_collectionfinish(recorder.config, items)
    assert not file.exists()


def test_a_run_that_only_collects_leaves_the_report(recorder, tmp_path):
    (tmp_path / "old.json").write_text("{}")
    recorder.config.option.vitbench_report = "old.json"
    recorder.config.option.collectonly = True
    recording.pytest_report_collectionfinish(recorder.config, [ITEM])
    assert (tmp_path / "old.json").exists()


@pytest.mark.parametrize(
    ("report", "reports", "why"),
    [
        (" ", None, "--report= : it names no file"),
        ("a.json", "b", "--report=a.json and --reports=b both say"),
        ("folder", None, "--report: .*folder is a folder: name a file"),
        ("file/a.json", None, "--report: .*cannot write it"),
        ("test_mine.py", None, "--report: .*test_mine.py is there and is no report"),
        ("package.json", None, "--report: .*package.json is there and is no report"),
        ("link.json", None, "--report: .*link.json is there and is no report"),
        ("pipe", None, "--report: .*pipe is there and is no report"),
    ],
)
def test_a_place_that_cannot_be_is_one_sentence(recorder, tmp_path, report, reports, why):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n")
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    (tmp_path / "link.json").symlink_to("elsewhere.json")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    recorder.disk.full = False
    option = recorder.config.option
    option.vitbench_report, option.vitbench_reports = report, reports

    def begin():
        recording.pytest_configure(recorder.config)
        recording.pytest_report_collectionfinish(recorder.config, [ITEM])

    with pytest.raises(pytest.UsageError, match=why):
        begin()
    assert sorted(tmp_path.iterdir()) == before
