"""The report after every benchmark, without a run."""

import tempfile
from types import SimpleNamespace

import pytest

from tests.unit.test_gate import run, timed
from vitbench.errors import UserError
from vitbench.plugin import recording
from vitbench.plugin.options import SESSION
from vitbench.plugin.recording import RECORDER, Recorder


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """A recorder of a run with two rows, whose disk is full while `disk.full`."""
    disk = SimpleNamespace(full=True, said=[], room=tmp_path / "temporary")
    rows = [SimpleNamespace(fullname="a"), SimpleNamespace(fullname="b")]
    config = SimpleNamespace(
        stash=pytest.Stash(), rootpath=tmp_path, option=SimpleNamespace(vitbench_reports=None),
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


def test_a_folder_that_takes_no_report_is_told_before_the_first_test(recorder):
    recorder.config.option.collectonly = False
    item = SimpleNamespace(get_closest_marker=lambda _: True, fixturenames=["benchmark"])
    with pytest.raises(pytest.UsageError, match=r"--reports: .*No space left"):
        recording.pytest_report_collectionfinish(recorder.config, [item])
    recording.pytest_report_collectionfinish(recorder.config, [])
    recorder.disk.full = False
    recording.pytest_report_collectionfinish(recorder.config, [item])
    assert list(recorder.folder().iterdir()) == []
