"""The suite itself, run as a user runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from tests.conftest import ROOT, bounded, listen
from tests.suite.test_runtimes import MODEL, session_at, with_artifacts
from vitbench.case import Case
from vitbench.report.reader import read_report
from vitbench.runtimes import VARIANTS

SCHEMA = json.loads((ROOT / "vitbench" / "report" / "report.schema.json").read_text())


def the_report(folder: Path) -> dict:
    (path,) = (folder / "reports").glob("*.json")
    report = read_report(path)
    jsonschema.validate(report, SCHEMA)
    return report


def test_a_run_verifies_times_and_reports(suite, tmp_path):
    done = suite("--variant=int8-dynamic", "--variant=fp16", "--batch=1", "--device=cpu", "-rs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unavailable: fp16 is made for a CUDA device" in done.stdout
    report = the_report(tmp_path)
    assert "deit_tiny_patch16_224/fp16/cpu/b1" in report["vitbench"]["unavailable"]
    assert report["vitbench"]["complete"] is True
    images = report["vitbench"]["models"]["deit_tiny_patch16_224"]["images"]
    assert images["count"] == 16
    assert len({images["files_sha256"], images["pixels_sha256"]}) == 2
    chosen = ["--batch=1", "--variant=int8-dynamic", "--variant=fp16"]
    assert report["vitbench"]["selected"][:3] == chosen  # and the device, where there is another
    machine = report["machine_info"]["vitbench"]
    assert machine["classes"] == {"deit_tiny_patch16_224": machine["fingerprint"]}
    kinds = [(b["group"], b["extra_info"]["case"]["id"]) for b in report["benchmarks"]]
    ids = [f"deit_tiny_patch16_224/{v}/cpu/b1" for v in ("fp32", "int8-dynamic")]
    assert sorted(kinds) == sorted(
        (g, i) for g in ("footprint", "latency", "throughput") for i in ids
    )
    for row in report["benchmarks"]:
        extra = row["extra_info"]
        if row["group"] == "footprint":
            assert extra["peak_memory_bytes"] > extra["baseline_memory_bytes"] > 2**20
            assert row["stats"]["data"] == [
                pytest.approx(extra["load_seconds"] + extra["first_inference_seconds"])
            ]
            continue
        assert (
            len(extra["reference"]["rounds"]) == len(row["stats"]["data"]) == row["stats"]["rounds"]
        )
        assert (
            extra["outputs"]["case"]
            == extra["outputs"]["reference"]
            == {
                "compared": 3 + len(extra["outputs"]["rounds"]),
                "repeatable": True,
                "largest_difference": 0.0,
            }
        )
        assert extra["outputs"]["rounds"][-1] == row["stats"]["rounds"] - 1
        assert extra["reference"]["null_arm"] is ("/fp32/" in extra["case"]["id"])
        assert len(extra["predictions"]["top1"]) == len(extra["predictions"]["images"]) == 16
        assert "0x" not in row["options"]["timer"]
        if row["group"] == "latency":
            assert extra["ratio"]["low"] < extra["ratio"]["speedup"] < extra["ratio"]["high"]
    assert "this run can see changes of about" in done.stdout
    assert "bundled" in done.stdout
    assert str(ROOT) not in json.dumps(report["vitbench"])


WRONG = {
    "int8-dynamic": ("scaled", "relative logit error"),
    # Of 16 images, and three calls to warm up.
    "scripted-int8": ("swapped after 19", "its outputs in round"),
    "lite-int8": ("nan", "finite"),
    "int8-dynamic-qnnpack": ("crash", "RuntimeError: CUDA error: an illegal memory access"),
}


def test_wrong_variants_are_never_timed(suite, cache, tmp_path, environment):
    """And a crash that nobody foresaw is the failure of its case: else the report would just lack
    it, and could be accepted as a baseline. (What is counted and profiled beside the rounds fails
    too, and costs no row.)"""
    environment["PLANTED"] = json.dumps({name: damage for name, (damage, _) in WRONG.items()})
    environment["PLANTED_BESIDE"] = "1"
    cases = [Case(MODEL, name, "cpu", 1) for name in ("fp32", *WRONG)]
    own = with_artifacts(session_at(cache), tmp_path / "cache", cases)
    done = suite(
        "-ptests.helpers.planted", *(f"--variant={name}" for name in WRONG),
        f"--cache={own}", "-W", "error::pytest.PytestWarning", "--profile",
        paths=("benchmarks/test_latency.py",),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "4 failed, 1 passed" in done.stdout
    assert "Traceback" not in done.stdout
    report = the_report(tmp_path)
    assert "benchmarks/test_latency.py" in report["vitbench"]["selected"]
    failed = report["vitbench"]["failed"]
    assert sorted(failed) == sorted(f"deit_tiny_patch16_224/{name}/cpu/b1" for name in WRONG)
    for name, (_, words) in WRONG.items():
        assert words in failed[f"deit_tiny_patch16_224/{name}/cpu/b1"]
    (row,) = report["benchmarks"]
    assert row["extra_info"]["case"]["variant"] == "fp32"
    assert row["extra_info"]["roofline"]["operations"] is None
    assert row["extra_info"]["operators"] == []
    why = "NotImplementedError: not for this model"
    left_out = row["extra_info"]["left_out"]
    assert {key: left_out[key] for key in left_out if key != "energy"} == {  # of the machine
        "operations": why, "operators": why,
    }  # fmt: skip
    assert f"/fp32/cpu/b1: no operations: {why}" in done.stdout


@pytest.mark.thorough
def test_what_was_verified_by_an_earlier_run_and_answers_otherwise_now_is_not_timed(
    suite, tmp_path, environment
):
    """A hole in the key of the cache is harmless."""
    options = ["--variant=int8-dynamic", f"--cache={tmp_path / 'cache'}"]
    assert suite(*options, paths=("benchmarks/test_latency.py",)).returncode == 0
    for report in (tmp_path / "reports").iterdir():
        report.unlink()
    environment["PLANTED"] = json.dumps({"int8-dynamic": "swapped"})
    done = suite("-ptests.helpers.planted", *options, paths=("benchmarks/test_latency.py",))
    assert "1 failed, 1 passed" in done.stdout
    (sentence,) = the_report(tmp_path)["vitbench"]["failed"].values()
    assert "its outputs before its rounds are not those that were verified: 1 of 1" in sentence


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)]
)
def test_a_run_that_dies_half_way_leaves_what_was_finished(cache, tmp_path, environment, how):
    environment["PLANTED"] = json.dumps({"int8-dynamic": "hang"})
    command = [
        sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-ptests.helpers.planted",
        str(ROOT / "benchmarks/test_latency.py"), "--benchmark-only", "--variant=int8-dynamic",
        "--verify-images=16", "--threads=1", "--seconds=1", f"--cache={cache}",
        f"--reports={tmp_path / 'reports'}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen,
    )
    with bounded(process):
        assert any("HANGING" in line for line in process.stdout)
        time.sleep(0.2)
        os.killpg(process.pid, how)
        process.communicate(timeout=60)
    assert process.returncode != 0
    report = the_report(tmp_path)
    assert report["vitbench"]["complete"] is False
    assert [b["extra_info"]["case"]["variant"] for b in report["benchmarks"]] == ["fp32"]


def built(output: str) -> int:
    found = re.search(r"artifacts: (\d+) built", output)
    assert found, output
    return int(found[1])


CONSISTENCY = ("benchmarks/test_consistency.py",)


def test_every_artifact_is_built_once(suite, tmp_path):
    """By two workers, each of which was asked to build it anew and needs fp32; then never again."""
    given = ["--variant=scripted", "--batch=1", f"--cache={tmp_path / 'c'}", "-k", "test_agreement"]
    done = suite(*given, "--rebuild", "-n2", paths=CONSISTENCY, only=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert built(done.stdout) == 2
    again = suite(*given, paths=CONSISTENCY, only=False).stdout
    assert built(again) == 0
    assert "2 from the cache" in again


@pytest.mark.thorough
def test_every_artifact_is_built_once_whatever_the_order(suite, tmp_path):
    """Whatever the order of the tests, and under two workers; then never again; then on demand."""
    options = [
        "--variant=int8-dynamic", "--variant=scripted", "--batch=1", f"--cache={tmp_path / 'c'}",
    ]  # fmt: skip
    done = suite(*options, "-n2", paths=CONSISTENCY, only=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert built(done.stdout) == 3
    files = ("benchmarks/test_throughput.py", "benchmarks/test_latency.py", *CONSISTENCY)
    assert built(suite(*options, paths=files, only=False).stdout) == 0
    assert built(suite(*options, "--rebuild", "-n2", paths=CONSISTENCY, only=False).stdout) == 3


def test_selection_by_k_and_glob(suite):
    done = suite("--collect-only", "-q", "-k", "int8-dynamic and cpu and latency", "--variant=*")
    assert done.returncode == 0, done.stdout + done.stderr
    ids = [line for line in done.stdout.splitlines() if "::" in line]
    assert ids == [
        f"benchmarks/test_latency.py::test_latency[deit_tiny_patch16_224/{v}/cpu/b1]"
        for v in (row.name for row in VARIANTS)
        if "int8-dynamic" in v
    ]


def test_paths_are_relative_to_where_pytest_starts(suite, tmp_path):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for index in range(3):
        Image.new("RGB", (300, 260), (80 * index, 90, 200)).save(tmp_path / f"photos/{index}.png")
    done = suite(
        "--images=photos", "--reports=mine", "--variant=fp32", "--benchmark-cprofile=tottime",
        "--threads=2",
        paths=("benchmarks/test_latency.py",), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "mine").glob("*.json")
    report = read_report(path)
    assert report["vitbench"]["images"]["count"] == 3
    (row,) = report["benchmarks"]  # a profile costs no row, and is no round
    assert len(row["extra_info"]["reference"]["rounds"]) == row["stats"]["rounds"]
    assert row["cprofile"]
