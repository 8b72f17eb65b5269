"""Whole gates, of one checkout against another, in processes of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, bounded, listen
from vitbench.duet.worker import PROTOCOL


@pytest.fixture
def checkout(tmp_path):
    """A copy of this checkout, to be changed."""
    folder = tmp_path / "changed"
    for name in ("vitbench", "benchmarks", "fixtures", "conftest.py", "pyproject.toml"):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder / name)
    return folder


def test_a_recipe_that_breaks_predictions_fails_its_test_and_no_other(
    checkout, environment, cache, tmp_path
):
    """A duet by pytest: head swaps two classes after loading int8; the fp32 case is only noisy."""
    eager = checkout / "vitbench" / "runtimes" / "__init__.py"
    code = eager.read_text()
    plain = "_checked(_reader(placement.variant).load(placement), placement.image)"
    swapped = code.replace(
        f"return {plain}",
        f"found = {plain}\n\n"
        "    def read(output: Any) -> Any:\n"
        "        return found.read(output)[:, ::-1].copy()\n\n"
        "    if placement.variant.precision == 'int8':\n"
        "        return replace(found, read=read)\n"
        "    return found",
    )
    assert swapped != code
    eager.write_text(swapped)
    junit = tmp_path / "junit.xml"
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "benchmarks", "--benchmark-only",
        f"--against={ROOT}", "--variant=int8-dynamic", "--blocks-max=1", "--seconds=0.1",
        "--threads=1", "--verify-images=8", f"--cache={cache}", f"--reports={tmp_path / 'reports'}",
        f"--junitxml={junit}",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=checkout, text=True, capture_output=True, timeout=600, check=False,
        env={**environment, "PYTHONPATH": str(checkout), "GITHUB_ACTIONS": "true"},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "DRIFTED: the predictions of head are wrong" in done.stdout
    assert "::error" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "DRIFTED" in junit.read_text()
    (report,) = (tmp_path / "reports").glob("*.json")
    told = json.loads(report.read_text())
    assert [row["group"] for row in told["benchmarks"]] == ["duet"]
    assert {v["state"] for v in told["vitbench"]["duet"]["verdicts"]} >= {"DRIFTED"}
    assert told["benchmarks"][0]["stats"]["rounds"] == 24


def test_a_base_that_has_none_of_the_cases_is_no_pass(checkout, environment, cache, tmp_path):
    arm = checkout / "vitbench" / "duet" / "worker.py"
    code = arm.read_text()
    without = code.replace("case.variant not in session.catalogue.names", "True")
    assert without != code
    arm.write_text(without)
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--benchmark-only",
        "benchmarks/test_latency.py", f"--against={checkout}", "--variant=fp32",
        "--threads=1", "--verify-images=4", f"--cache={cache}", f"--reports={tmp_path / 'reports'}",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, text=True, capture_output=True, timeout=600, check=False,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 6, done.stdout + done.stderr
    assert "head can run this case, base cannot: there is no variant 'fp32'" in done.stdout
    assert "nothing could be compared: exit code 6" in done.stdout


def git(*arguments):
    """What git prints in this checkout; nothing where it is none, or where there is no git."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, text=True, capture_output=True, check=False
        )
    except OSError:
        return ""
    return done.stdout


@pytest.mark.thorough
def test_ctrl_c_leaves_no_process_and_no_checkout(checkout, environment, cache, tmp_path):
    mark = f"duet-{os.getpid()}-{time.monotonic_ns()}"
    # A revision, for which a checkout is made; a folder where git has none that we can talk to.
    files = ("vitbench/duet/worker.py", "vitbench/arm.py")
    texts = (git("show", f"HEAD~1:{file}").splitlines() for file in files)
    revision = any(f"PROTOCOL = {PROTOCOL}" in lines for lines in texts)
    command = [
        sys.executable, "-m", "vitbench", "duet", "--variant=fp32",
        f"--against={'HEAD~1' if revision else checkout}",
        "--seconds=30", "--verify-images=4", "--no-shortcut", f"--cache={cache}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=listen,
        env={**environment, "MARK": mark, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    with bounded(process):
        assert any("head: preparing" in line for line in process.stderr)
        while len(marked(mark)) < 4:  # itself and its three workers of the first block
            assert process.poll() is None
            time.sleep(0.1)
        assert (str(tmp_path) in git("worktree", "list")) is revision
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130
    deadline = time.monotonic() + 60
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.1)  # a killed process takes a moment
    assert not marked(mark)
    assert str(tmp_path) not in git("worktree", "list")
    assert not list(tmp_path.glob("vitbench-*"))


def marked(mark):
    """The processes whose environment holds a mark."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found
