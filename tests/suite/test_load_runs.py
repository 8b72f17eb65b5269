"""Whole runs under load: rows of a report, and an instance that is killed in the middle."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from tests.conftest import ROOT
from vitbench.judge.best import choose
from vitbench.report.reader import read_report
from vitbench.report.sound import left_out

pytest_plugins = ["pytester"]
OPTIONS = ("--variant=fp32", "--variant=scripted", "--arrangement=1x1", "--latency-bound=2000")
FILE = ("benchmarks/test_load.py",)


def report_of(folder):
    (file,) = (folder / "reports").glob("*.json")
    return read_report(file)


@pytest.mark.thorough
def test_a_run_under_load_writes_rows_that_a_reader_takes(suite, tmp_path):
    done = suite(*OPTIONS, paths=FILE)
    assert done.returncode == 0, done.stdout
    report = report_of(tmp_path)
    assert left_out(report) == ()
    rows = [each["extra_info"] for each in report["benchmarks"]]
    assert [each["case"]["variant"] for each in rows] == ["fp32", "scripted"]
    for row in rows:
        assert row["arrangement"] == "1 x 1 thread, window 0 ms"
        assert row["latency_bound_ms"] == 2000
        assert row["server_rate"] > 0
        assert row["server_p99_ms"] <= 2000
        assert row["outputs_compared"] > 50
        assert row["load_evidence"] == "estimate"
        assert row["agreement"]["state"] != "BROKEN"
    assert "deit_tiny_patch16_224, under load" in done.stdout
    (choice,) = choose(report, "load", 0.0)
    assert choice.best
    assert "requests/s within 2000 ms (estimate" in choice.sentence


@pytest.mark.thorough
def test_a_run_from_the_bytes_of_photographs(suite, tmp_path):
    done = suite(*OPTIONS, "--load-samples=photo:pillow", paths=FILE)
    assert done.returncode == 0, done.stdout
    report = report_of(tmp_path)
    assert left_out(report) == ()
    for row in (each["extra_info"] for each in report["benchmarks"]):
        assert (row["samples"], row["front"]) == ("photo", "pillow")
        assert row["front_state"] != "BROKEN"
        assert row["server_rate"] > 0
        assert row["outputs_compared"] > 50
        assert row["repeated_image_speedup"] < 1.1
    assert "a query is the bytes of one of" in done.stdout


@pytest.mark.thorough
def test_an_instance_that_is_killed_costs_its_case_alone(suite, tmp_path):
    killed = []

    def kill():
        while not killed:
            for each in psutil.Process().children(recursive=True):
                try:
                    serves = "vitbench.load.serve" in each.cmdline()
                    if serves and time.time() - each.create_time() > 1:
                        each.kill()
                        killed.append(each.pid)
                        return
                except psutil.Error:
                    continue
            time.sleep(0.1)

    watcher = threading.Thread(target=kill, daemon=True)
    watcher.start()
    done = suite(*OPTIONS, paths=FILE)
    killed.append(0)
    assert done.returncode == 1, done.stdout
    report = report_of(tmp_path)
    (failure,) = report["vitbench"]["failed"].values()
    assert "was killed by SIGKILL, as when memory runs out" in failure
    assert len(report["benchmarks"]) == 1
    assert "Traceback" not in done.stdout


@pytest.mark.thorough
def test_a_whole_run_leaves_load_out(pytester):
    pytester.makepyfile(
        test_suite="import pytest\n"
        "@pytest.mark.measures('latency', batches=(1,))\n"
        "def test_latency(case, benchmark): pass\n",
        test_load="import pytest\n"
        "@pytest.mark.measures('load', batches=(1,))\n"
        "def test_load(case, benchmark): pass\n",
    )
    more = ("-pvitbench.plugin", "-pno:cacheprovider", "--collect-only", "-q")
    options = (*more, "--vitbench-variant=fp32", "--vitbench-verify-images=4")
    for words, count in (((), 1), (("test_load.py",), 1), (("-k", "load or latency"), 2)):
        found = pytester.runpytest_subprocess(*options, *words).outlines
        assert len([line for line in found if "/fp32/cpu/b1]" in line]) == count, words


@pytest.mark.thorough
def test_a_signal_ends_a_soak_and_leaves_no_files(tmp_path):
    command = ("soak", "deit_tiny_patch16_224/fp32/cpu/b1", "--rate=10", "--minutes=2")
    soak = subprocess.Popen(
        [sys.executable, "-m", "vitbench", *command, "--latency-bound=2000"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert soak.stderr is not None
    assert any("loading" in line for line in soak.stderr)
    limit = time.monotonic() + 60
    while not list(tmp_path.glob("**/mlperf_log_detail.txt")) and time.monotonic() < limit:
        time.sleep(0.1)
    assert list(tmp_path.glob("**/samples.npy"))
    soak.terminate()
    assert soak.wait(30) == -signal.SIGTERM
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
