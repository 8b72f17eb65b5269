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
from vitbench.report.reader import read_report
from vitbench.runtimes import VARIANTS

SCHEMA = json.loads((ROOT / "vitbench" / "report" / "report.schema.json").read_text())


def the_report(folder: Path) -> dict:
    (path,) = (folder / "reports").glob("*.json")
    report = read_report(path)
    jsonschema.validate(report, SCHEMA)
    return report


def test_a_run_verifies_times_and_reports(suite, tmp_path):
    done = suite("--variant=int8-dynamic", "--batch=1")
    assert done.returncode == 0, done.stdout + done.stderr
    report = the_report(tmp_path)
    assert report["vitbench"]["complete"] is True
    images = report["vitbench"]["models"]["deit_tiny_patch16_224"]["images"]
    assert images["count"] == 16
    assert len({images["files_sha256"], images["pixels_sha256"]}) == 2
    assert report["vitbench"]["selected"] == ["--batch=1", "--variant=int8-dynamic"]
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


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("scaled", "relative logit error"),
        ("swapped after 67", "its outputs in round"),  # of 64 images, and three calls to warm up
        ("nan", "finite"),
    ],
)
def test_a_wrong_variant_is_never_timed(suite, tmp_path, environment, damage, words):
    environment["PLANTED"] = damage
    done = suite(
        "-ptests.helpers.planted", "--variant=int8-dynamic", "--verify-images=64",
        f"--cache={tmp_path / 'cache'}", "-W", "error::pytest.PytestWarning",
        paths=("benchmarks/test_latency.py",),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert words in done.stdout
    assert "Traceback" not in done.stdout
    report = the_report(tmp_path)
    assert "benchmarks/test_latency.py" in report["vitbench"]["selected"]
    assert [b["extra_info"]["case"]["variant"] for b in report["benchmarks"]] == ["fp32"]
    assert list(report["vitbench"]["failed"]) == ["deit_tiny_patch16_224/int8-dynamic/cpu/b1"]


@pytest.mark.thorough
def test_what_was_verified_by_an_earlier_run_and_answers_otherwise_now_is_not_timed(
    suite, tmp_path, environment
):
    """A hole in the key of the cache is harmless."""
    options = ["--variant=int8-dynamic", f"--cache={tmp_path / 'cache'}"]
    assert suite(*options, paths=("benchmarks/test_latency.py",)).returncode == 0
    for report in (tmp_path / "reports").iterdir():
        report.unlink()
    environment["PLANTED"] = "swapped"
    done = suite("-ptests.helpers.planted", *options, paths=("benchmarks/test_latency.py",))
    assert "1 failed, 1 passed" in done.stdout
    (sentence,) = the_report(tmp_path)["vitbench"]["failed"].values()
    assert "its outputs before its rounds are not those that were verified: 1 of 1" in sentence


def test_a_crash_that_nobody_foresaw_is_the_failure_of_its_case(suite, tmp_path, environment):
    """Else the report would just lack the case, and could be accepted as a baseline. (What is
    counted and profiled beside the rounds fails too, and costs no row.)"""
    environment |= {"PLANTED": "crash", "PLANTED_BESIDE": "1"}
    done = suite(
        "-ptests.helpers.planted", "--variant=int8-dynamic", f"--cache={tmp_path / 'cache'}",
        "--profile", paths=("benchmarks/test_latency.py",),
    )  # fmt: skip
    assert "1 failed, 1 passed" in done.stdout
    (row,) = the_report(tmp_path)["benchmarks"]
    assert row["extra_info"]["roofline"]["operations"] is None
    assert row["extra_info"]["operators"] == []
    why = "NotImplementedError: not for this model"
    assert row["extra_info"]["left_out"] == {"operations": why, "operators": why}
    assert f"/fp32/cpu/b1: no operations: {why}" in done.stdout
    assert the_report(tmp_path)["vitbench"]["failed"] == {
        "deit_tiny_patch16_224/int8-dynamic/cpu/b1":
            "RuntimeError: CUDA error: an illegal memory access"
    }  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_dies_half_way_leaves_what_was_finished(cache, tmp_path, environment, how):
    environment["PLANTED"] = "hang"
    command = [
        sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-ptests.helpers.planted",
        str(ROOT / "benchmarks/test_latency.py"), "--benchmark-only", "--variant=int8-dynamic",
        "--verify-images=8", "--seconds=1", f"--cache={cache}", f"--reports={tmp_path / 'reports'}",
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


def test_every_artifact_is_built_once(suite, tmp_path):
    """Whatever the order of the tests, and under two workers; then never again; then on demand."""
    options = [
        "--variant=int8-dynamic", "--variant=scripted", "--batch=1", f"--cache={tmp_path / 'c'}",
    ]  # fmt: skip
    consistency = ("benchmarks/test_consistency.py",)
    done = suite(*options, "-n2", paths=consistency, only=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert built(done.stdout) == 3
    files = ("benchmarks/test_throughput.py", "benchmarks/test_latency.py", *consistency)
    assert built(suite(*options, paths=files, only=False).stdout) == 0
    assert built(suite(*options, "--rebuild", "-n2", paths=consistency, only=False).stdout) == 3


def test_what_cannot_run_says_why(suite, tmp_path):
    done = suite("--variant=fp16", "--device=cpu", "-rs", paths=("benchmarks/test_latency.py",))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unavailable: fp16 is made for a CUDA device" in done.stdout
    assert "deit_tiny_patch16_224/fp16/cpu/b1" in the_report(tmp_path)["vitbench"]["unavailable"]


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
        paths=("benchmarks/test_latency.py",), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "mine").glob("*.json")
    report = read_report(path)
    assert report["vitbench"]["images"]["count"] == 3
    (row,) = report["benchmarks"]  # a profile costs no row, and is no round
    assert len(row["extra_info"]["reference"]["rounds"]) == row["stats"]["rounds"]
    assert row["cprofile"]
