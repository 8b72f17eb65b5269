"""`vitbench fleet run` on real clusters of Ray, whose nodes die. Each takes about a minute."""

import json
import re
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.helpers.ray_cluster import QUICK, ROOT, TINY, FleetRun
from vitbench.report.reader import read_report, rows

pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[fleet]'")
pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("ray")]

LATENCY = (
    "benchmarks/test_latency.py", f"--model={TINY}", "--variant=fp32", "--variant=scripted",
    "--variant=bf16", *QUICK,
)  # fmt: skip


def reported(folder: Path) -> list[str]:
    """The cases of all reports in a folder, each as often as it is there."""
    found = [read_report(file) for file in sorted(folder.glob("*.json"))]
    return sorted(row.case.id for report in found for row in rows(report))


def ids(*variants: str) -> list[str]:
    return sorted(f"tiny/{each}/cpu/b1" for each in variants)


def test_a_node_dies_and_its_case_is_measured_by_another_one(nodes, tmp_path):
    caches = {name: str(tmp_path / name) for name in ("one", "two")}
    for name, cache in caches.items():
        nodes.add(name, env={"VITBENCH_CACHE": cache})
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY)
    run.until(lambda: run.running("one"), "a case runs on one")
    nodes.kill("one")
    assert run.wait() == 0, run.said
    assert reported(tmp_path / "reports") == ids("fp32", "scripted", "bf16")
    (died,) = [each for each in run.attempts() if each["why"]]
    assert died["host"] == "one"
    assert died["why"].startswith("the host died")
    receipts = run.receipts_by_case()
    assert {each["state"] for each in receipts.values()} == {"measured"}
    hit = next(each for each in receipts.values() if len(each["attempts"]) == 2)
    assert [each["host"] for each in hit["attempts"]] == ["one", "two"]


def test_the_command_is_killed_and_resumed(nodes, tmp_path):
    nodes.add("one")
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY)
    run.until(lambda: run.receipts_by_case() and run.running(), "a second case runs")
    before = run.receipts_by_case()
    run.end()
    again = FleetRun(nodes, ROOT, tmp_path / "run", "--resume")
    assert again.wait() == 0, again.said
    after = again.receipts_by_case()
    assert len(after) == 3
    assert {name: after[name] for name in before} == before
    assert reported(tmp_path / "reports") == ids("fp32", "scripted", "bf16")
    cut_off = [each for each in again.attempts() if each["ended"] is None]
    assert len(cut_off) == 1
    refused = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY)
    assert refused.wait() == 4
    assert "has a run already: go on with it by --resume" in refused.said


def test_two_nodes_of_one_machine_never_run_side_by_side(nodes, tmp_path):
    nodes.add("one", of="machine")
    nodes.add("two", of="machine")
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY)
    assert run.wait() == 0, run.said
    attempts = run.attempts()
    assert len(attempts) == 3
    for earlier, later in pairwise(attempts):
        assert earlier["ended"] <= later["began"]


def test_a_node_that_joins_late_takes_part_and_takes_what_is_built(nodes, tmp_path):
    nodes.add("one", env={"VITBENCH_CACHE": str(tmp_path / "one")})
    words = ("--batch=1", "--batch=2", "--batch=3")
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY, *words)
    run.until(lambda: len(run.receipts_by_case()) >= 2, "two receipts")
    nodes.add("two", env={"VITBENCH_CACHE": str(tmp_path / "two"), "OMP_NUM_THREADS": "1"})
    assert run.wait() == 0, run.said
    receipts = run.receipts_by_case().values()
    assert {each["host"] for each in receipts} == {"one", "two"}
    about = {each["host"]: each["report"]["machine_info"]["vitbench"] for each in receipts}
    threads = {name: of["variables"].get("OMP_NUM_THREADS") for name, of in about.items()}
    assert threads == {"one": None, "two": "1"}  # Ray sets it in its workers
    assert len(receipts) == len(reported(tmp_path / "reports")) == 9
    assert "3 built" in run.said
    taken = {p.name for p in (tmp_path / "two").glob("artifacts/*")}
    assert taken & {p.name for p in (tmp_path / "one").glob("artifacts/*")}


def fake_version(folder: Path) -> dict[str, str]:
    """The environment of a node that has another version of nncf, as its metadata say."""
    meta = folder / "nncf-99.0.dist-info"
    meta.mkdir(parents=True)
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: nncf\nVersion: 99.0\n")
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def test_other_versions_are_found_before_anything_runs(nodes, tmp_path):
    nodes.add("one")
    nodes.add("two", env=fake_version(tmp_path / "fake"))
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY)
    assert run.wait() == 4
    assert "the hosts have other versions: nncf" in run.said
    assert "99.0 on two: install the same on all" in run.said
    assert run.attempts() == []
    mixed = FleetRun(nodes, ROOT, tmp_path / "mix", *LATENCY, "-k", "fp32", "--allow-mix")
    assert mixed.wait() == 0, mixed.said
    assert len({each["task"]["host_class"] for each in mixed.receipts_by_case().values()}) == 2
    assert "nncf 99.0" in mixed.said
    alone = FleetRun(nodes, ROOT, tmp_path / "alone", *LATENCY, "-k", "fp32", "--hosts=on*")
    assert alone.wait() == 0, alone.said
    assert {each["host"] for each in alone.receipts_by_case().values()} == {"one"}


DEADLY = """
import os, signal
def make():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_case_that_kills_its_process_is_lost_and_the_others_are_measured(nodes, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "deadly.py").write_text(DEADLY)
    (project / "pyproject.toml").write_text('[tool.vitbench.models]\nbad = "py:deadly:make"\n')
    for name in ("one", "two"):
        nodes.add(name)
    suite = ("--pyargs", "vitbench.benchmarks.test_latency")
    models = (f"--model={TINY}", "--model=bad")
    run = FleetRun(nodes, project, tmp_path / "run", *suite, *models, "--variant=fp32", *QUICK)
    assert run.wait() == 1, run.said
    assert reported(tmp_path / "reports") == ids("fp32")
    tried = [each for each in run.attempts() if each["case"].startswith("bad")]
    assert {each["host"] for each in tried} == {"one", "two"}
    killed = "its process was killed by SIGKILL, as when memory runs out"
    assert {each["why"] for each in tried} == {killed}
    assert "Lost:\n  bad/fp32/cpu/b1 on " in run.said
    assert "two: its process was killed by SIGKILL" in run.said


SLEEPY = """
import os, time
import torch

SECONDS = float(os.environ.get("SLEEPY_SECONDS", "0.1"))

class Sleepy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 5)

    def forward(self, images):
        time.sleep(SECONDS)
        return self.head(images.mean((2, 3)))

def make():
    time.sleep(30 * SECONDS)
    torch.manual_seed(1)
    return Sleepy()
"""
TABLE = """
[tool.vitbench.models.sleepy]
py = "sleepy:make"
preprocessing = { input_size = [3, 32, 32], mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }
"""
SLEEPY_RUN = (
    "--pyargs", "vitbench.benchmarks.test_latency", "--model=sleepy", "--batch=1", "--threads=1",
    "--verify-images=64",
)  # fmt: skip


@pytest.fixture
def sleepy(tmp_path):
    """A project whose model takes its time, which each node may set."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "sleepy.py").write_text(SLEEPY)
    (project / "pyproject.toml").write_text(TABLE)
    return project


def test_nodes_that_die_while_they_build_verify_and_time(nodes, tmp_path, sleepy):
    """Three attempts: then the case is lost, with what each host did; a resumed run measures it."""
    for name in ("one", "two", "three"):
        nodes.add(name, env={"VITBENCH_CACHE": str(tmp_path / name)})
    words = (*SLEEPY_RUN, "--variant=fp32", "--seconds=8")
    run = FleetRun(nodes, sleepy, tmp_path / "run", *words)
    killed = []
    for phase in ("building", "verifying", "timing"):
        host = run.until(
            lambda phase=phase: next(
                (a["host"] for a in run.running() if f"  {phase} " in nodes.said(a["host"])), ""
            ),
            f"{phase} begins",
        )
        time.sleep(3)  # the command asks every second what a host does
        nodes.kill(host)
        killed.append(host)
    assert run.wait() == 1
    assert [each["host"] for each in run.attempts()] == killed
    during = ("building sleepy/fp32", "verifying sleepy/fp32/cpu/b1", "timing sleepy/fp32/cpu/b1")
    for host, words in zip(killed, during, strict=True):
        pattern = rf"sleepy/fp32/cpu/b1 has no receipt of {host}: the host died.* \(while {words}"
        assert re.search(pattern, run.said), run.said
    assert "1 case lost: `vitbench fleet run --resume` tries again" in run.said
    nodes.add("four")
    again = FleetRun(nodes, sleepy, tmp_path / "run", "--resume")
    assert again.wait() == 0, again.said
    (receipt,) = again.receipts_by_case().values()
    assert [each["host"] for each in receipt["attempts"]] == [*killed, "four"]


def test_a_worker_of_ray_that_dies_costs_an_attempt_and_not_the_host(nodes, tmp_path):
    nodes.add("one")
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY)
    run.until(lambda: run.running("one"), "a case runs")
    nodes.worker("one").kill()
    assert run.wait() == 0, run.said
    (died,) = [each for each in run.attempts() if each["why"]]
    assert died["why"] == "the host died, or its worker of Ray"
    assert reported(tmp_path / "reports") == ids("fp32", "scripted", "bf16")


@pytest.fixture
def small(tmp_path):
    """A folder with room for 64 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_host_that_is_full_takes_no_case(nodes, tmp_path, small):
    nodes.add("full", env={"VITBENCH_CACHE": str(small)})
    nodes.add("one")
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY)
    assert run.wait() == 0, run.said
    assert {each["host"] for each in run.receipts_by_case().values()} == {"one"}
    words = (
        f"of full: the host is full: 67 MB are free in {small} (--cache), and a case needs 268 MB"
    )
    assert run.said.count(words) == 1


def test_a_host_that_is_slow_is_named(nodes, tmp_path, sleepy):
    for name, seconds in (("one", "0.01"), ("slow", "0.02")):
        nodes.add(name, env={"SLEEPY_SECONDS": seconds})
    words = (*SLEEPY_RUN, "--variant=fp32", "--variant=bf16", "--seconds=0.2")
    run = FleetRun(nodes, sleepy, tmp_path / "run", *words)
    assert run.wait() == 0, run.said
    assert {each["host"] for each in run.receipts_by_case().values()} == {"one", "slow"}
    assert "slow is slow: the timing reference takes " in run.said
    assert "one is slow" not in run.said


def test_a_class_whose_last_node_dies_is_lost_and_named(nodes, tmp_path):
    nodes.add("one")
    nodes.add("two", **{"class": "other"})
    run = FleetRun(nodes, ROOT, tmp_path / "run", *LATENCY, "--wait-minutes=0.05")
    run.until(lambda: run.running("two"), "a case runs on two")
    nodes.kill("two")
    assert run.wait() == 1, run.said
    assert reported(tmp_path / "reports").count("tiny/fp32/cpu/b1") >= 1
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert len(plan["classes"]) == 2
    assert ", other is left (two: it is gone)" in run.said
    began = time.monotonic()
    nodes.add("three", **{"class": "other"})
    again = FleetRun(nodes, ROOT, tmp_path / "run", "--resume")
    assert again.wait() == 0, again.said
    assert time.monotonic() > began
    assert len(again.receipts_by_case()) == 6
