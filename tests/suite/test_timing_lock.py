"""The lock of timings: one at a time, in turns, and what was waited is known."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conftest import ROOT, bounded
from vitbench.measure.timing_lock import timing_alone


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_who_times_is_alone_and_who_waits_comes_next():
    """The one that holds the lock and wants it again stands behind the one that waits."""
    order, waits = [], threading.Event()

    def other():
        with timing_alone(lambda _: waits.set()) as waited:
            order.append("other")
            return waited

    with ThreadPoolExecutor(1) as pool:
        with timing_alone():
            waiting = pool.submit(other)
            assert waits.wait(60)
            order.append("first")
        with timing_alone():
            order.append("again")
        assert waiting.result() > 0
    assert order == ["first", "other", "again"]


def test_the_thread_that_holds_the_lock_passes():
    with timing_alone() as first, timing_alone() as second:
        assert first == second == 0
    with timing_alone() as again:
        assert again == 0


def test_another_process_is_waited_for_and_both_is_told(folder):
    code = (
        "import sys\n"
        "from vitbench.measure.timing_lock import timing_alone\n"
        "with timing_alone(): print('in', flush=True); sys.stdin.readline()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"in\n"
    told = []

    def say(text):
        told.append(text)
        process.kill()  # a lock ends with the process that holds it

    with process, timing_alone(say) as waited:
        assert waited > 0
    assert told[0] == (
        f"waiting: another run times on this machine (it has locked {folder / 'timing.lock'})"
    )
    assert told[1].startswith("waited ")


def test_without_a_place_for_the_lock_nobody_waits_and_it_is_told(folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file, no folder")
    told = []
    with timing_alone(told.append) as waited:
        assert waited == 0
    (line,) = told
    assert line.startswith(f"{folder}: no file can be locked there (File exists)")


@pytest.mark.thorough
def test_a_plain_run_waits_before_it_times_a_case_and_reports_it(folder, environment, tmp_path):
    environment["VITBENCH_CACHE"] = str(folder)
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "benchmarks/test_latency.py",
        "--benchmark-only", "--variant=fp32", "--seconds=0.1", "--verify-images=4",
        f"--reports={tmp_path / 'reports'}",
    ]  # fmt: skip
    with ExitStack() as held:
        held.enter_context(timing_alone())
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=-1, text=True)
        with bounded(run):
            assert any("waiting: another run times" in line for line in run.stdout)
            held.close()
            said, _ = run.communicate()
    assert run.returncode == 0, said
    assert "s for the other run" in said
    (report,) = (tmp_path / "reports").glob("*.json")
    (row,) = json.loads(report.read_text())["benchmarks"]
    assert row["extra_info"]["waited_seconds"] > 0
