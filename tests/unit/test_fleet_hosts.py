"""Host classes, their versions, and what travels to a host and back."""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vitbench.build.artifacts import ArtifactCache
from vitbench.build.locks import locked
from vitbench.cli.fleet.run import arguments_of
from vitbench.cli.main import main, parser
from vitbench.errors import UserError
from vitbench.fleet import case_process
from vitbench.fleet.artifacts import entries, packed, unpack
from vitbench.fleet.case_process import CaseProcess
from vitbench.fleet.hosts import (
    Inspected,
    differing_versions,
    distinct,
    require_hosts,
    require_same_versions,
)
from vitbench.fleet.on_host import arguments_of as arguments_for_case
from vitbench.fleet.plan import FleetPlan
from vitbench.fleet.receipts import Receipts

MACHINE = {
    "cpu": {"model": "AMD EPYC 9654", "isa": ["avx512"]},
    "cores": 2,
    "quota": None,
    "gpus": [],
    "threads": 2,
    "versions": {"python": "3.11.9", "torch": "2.12.1", "vitbench": "1.0"},
}
CASES = ["m/fp32/cpu/b1", "m/int8/cpu/b1"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def host(name: str, label: str = "", code: str = "c0de" * 16, **machine) -> Inspected:
    versions = {**MACHINE["versions"], **machine.pop("versions", {})}
    found = {"machine": {**MACHINE, **machine, "versions": versions}, "code": code}
    return Inspected(name, name, label, {**found, "cases": CASES, "selected": []})


def test_a_class_is_the_machine_the_versions_and_the_label():
    one = host("one")
    assert host("two").host_class == one.host_class
    others = [
        host("two", cores=4),
        host("two", threads=1),
        host("two", cpu={"model": "AMD EPYC 9654", "isa": ["avx2"]}),
        host("two", gpus=[{"name": "H100", "capability": "9.0", "memory_bytes": 80 * 2**30}]),
        host("two", versions={"torch": "2.14.1"}),
        host("two", code="beef" * 16),
        host("two", label="rack-2"),
    ]
    keys = {each.host_class.key for each in (one, *others)}
    assert len(keys) == len(others) + 1


def test_other_versions_are_found_before_anything_runs():
    same = [host("one"), host("two", cores=64)]
    assert differing_versions(same) == ""
    require_same_versions(same, same[0].versions)
    other = host("three", versions={"torch": "2.14.1"})
    with pytest.raises(UserError) as error:
        require_same_versions([*same, other], None)
    assert str(error.value) == (
        "the hosts have other versions: torch 2.12.1 on one, two, 2.14.1 on three: install the "
        "same on all (constraints.txt), choose hosts by --hosts=GLOB, or give --allow-mix, which "
        "measures them as classes of their own"
    )
    checkout = host("four", code="beef" * 16)
    assert "vitbench 1.0 (c0dec0de) on one, 1.0 (beefbeef) on four" in differing_versions(
        [same[0], checkout]
    )
    assert differing_versions([other], same[0].versions).startswith("torch 2.12.1 on the plan")
    lacking = replace(other, found={**other.found, "machine": {**MACHINE, "versions": {}}})
    assert "torch 2.12.1 on one, none on three" in differing_versions([same[0], lacking])


def test_classes_of_one_hardware_are_told_apart_by_what_differs():
    one, two = host("one").host_class, host("two", versions={"torch": "2.14.1"}).host_class
    assert distinct([one]) == {one.key: "AMD EPYC 9654, 2 cores, 2 threads"}
    assert distinct([one, two]) == {
        one.key: "AMD EPYC 9654, 2 cores, 2 threads, torch 2.12.1",
        two.key: "AMD EPYC 9654, 2 cores, 2 threads, torch 2.14.1",
    }


def test_a_glob_that_matches_no_host_is_refused():
    names = ["node-1", "node-2", "login"]
    require_hosts(names, [])
    require_hosts(names, ["node-*", "login"])
    with pytest.raises(UserError, match=r"--hosts=nod-\*: no such host: nearest: node-"):
        require_hosts(names, ["login", "nod-*"])


def cache_with_artifact(folder: Path, build) -> ArtifactCache:
    cache = ArtifactCache(folder)
    cache.get({"of": "this"}, ".pt", build)
    return cache


def test_an_artifact_of_another_host_is_taken_and_not_built(tmp_path):
    def build(path: Path) -> dict:
        path.write_bytes(b"weights")
        path.with_suffix(".json").write_text("{}")
        return {}

    def never(_: Path) -> dict:
        raise AssertionError("built again")

    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
    cache_with_artifact(tmp_path / "one", build)
    found = packed(tmp_path / "one", entries(tmp_path / "one"))
    assert len(found) == 1
    for key, data in found.items():
        unpack(tmp_path / "two", key, data)
        unpack(tmp_path / "two", key, b"is there already")
    assert entries(tmp_path / "two") == set(found)
    cache_with_artifact(tmp_path / "two", never)


def test_an_artifact_that_was_damaged_on_its_way_is_built_again(tmp_path):
    built = []

    def build(path: Path) -> dict:
        built.append(path)
        path.write_bytes(b"weights")
        return {}

    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
    cache_with_artifact(tmp_path / "one", build)
    ((key, data),) = packed(tmp_path / "one", entries(tmp_path / "one")).items()
    unpack(tmp_path / "two", key, data.replace(b"weights", b"w3ights"))
    cache_with_artifact(tmp_path / "two", build)
    assert len(built) == 2


def test_a_copy_of_another_tools_file_does_not_travel(tmp_path):
    cache_with_artifact(tmp_path, lambda path: [path.write_bytes(b""), {"build_seconds": None}][1])
    assert packed(tmp_path, entries(tmp_path)) == {}


def chosen_by(*words: str) -> argparse.Namespace:
    return parser().parse_args(["fleet", "run", *words])


def test_the_options_reach_pytest_by_their_long_names():
    words = ["--model=a", "--model=b=timm:c", "--seconds=0.5", "--profile", "--reports=x"]
    assert arguments_of(chosen_by("benchmarks/test_latency.py", "-k", "int8 and cpu", *words)) == (
        "benchmarks/test_latency.py", "-k", "int8 and cpu", "--vitbench-model=a",
        "--vitbench-model=b=timm:c", "--vitbench-seconds=0.5", "--vitbench-profile",
    )  # fmt: skip
    assert arguments_of(chosen_by()) == ()
    modules = ("--pyargs", "vitbench.benchmarks")
    assert arguments_of(chosen_by(*modules)) == modules
    with pytest.raises(UserError, match="--batch 0: must be greater than 0"):
        arguments_of(chosen_by("--batch=0"))


def test_a_case_is_given_its_model_alone():
    arguments = ("-k", "x", "--vitbench-model=a", "--vitbench-model=b=timm:c")
    assert arguments_for_case(arguments, "b", {"a": "a", "b": "b=timm:c"}) == (
        "-k", "x", "--vitbench-model=b=timm:c",
    )  # fmt: skip
    assert arguments_for_case((), "b", {"a": "a", "b": "b"}) == ("--vitbench-model=b",)
    assert arguments_for_case(("-k", "x"), "a", {"a": "a"}) == ("-k", "x")


def test_without_ray_the_command_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["fleet", "run"]) == 4
    assert "many hosts need Ray, which is not installed: pip install" in capsys.readouterr().err


def test_a_run_is_not_begun_twice_in_a_folder_and_not_resumed_with_other_options(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["fleet", "run", "--resume"]) == 4
    assert "--resume: there is no run in reports/fleet" in capsys.readouterr().err
    folder = tmp_path / "reports" / "fleet" / "20260101T000000Z"
    folder.mkdir(parents=True)
    assert main(["fleet", "run", f"--receipts={folder}", "--resume"]) == 4
    assert "has no plan of a run: leave --resume out" in capsys.readouterr().err
    plan = FleetPlan(("--vitbench-model=a",), (host("one").host_class,))
    Receipts(folder).keep_plan(plan)
    assert main(["fleet", "run", f"--receipts={folder}"]) == 4
    assert "has a run already: go on with it by --resume" in capsys.readouterr().err
    assert main(["fleet", "run", "--resume", "--model=b"]) == 4
    assert "has the options --vitbench-model=a: leave the options out" in capsys.readouterr().err


def test_a_folder_that_a_host_lacks_is_named(tmp_path):
    with pytest.raises(case_process.WorkerFailed, match=r"there is no folder .*: share it with"):
        CaseProcess(tmp_path / "none", (), ENVIRONMENT).inspect()


def test_a_full_host_takes_no_case(tmp_path, monkeypatch):
    assert case_process.full(tmp_path / "not" / "there") == ""
    monkeypatch.setattr(case_process, "LEAST_FREE_BYTES", 2**62)
    ran = CaseProcess(tmp_path, (), ENVIRONMENT).measure(CASES[0], tmp_path, 60.0)
    assert ran.full
    assert ran.why.startswith("the host is full: ")
    assert f"MB are free in {tmp_path} (--cache)" in ran.why


@pytest.mark.parametrize(
    ("program", "seconds", "why"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 60, "was killed by SIGSEGV"),
        ("import time; print('  timing m', flush=True); time.sleep(60)", 1, "--case-minutes"),
        ("import sys; print('ERROR: no --model'); sys.exit(4)", 60, "status 4: ERROR: no --model"),
    ],
)
def test_how_a_case_ended_without_a_report_is_a_sentence(tmp_path, program, seconds, why):
    """A program in the place of pytest: a module of that name in the folder, which comes first."""
    (tmp_path / "pytest.py").write_text(program)
    process = CaseProcess(tmp_path, (), ENVIRONMENT)
    ran = process.measure(CASES[0], tmp_path, float(seconds))
    assert ran.state == ""
    assert why in ran.why
    assert ran.phase == ("timing m" if "timing" in program else "")


def test_a_case_ends_with_the_process_that_started_it(tmp_path):
    """Also where that one is killed: the pipe between them closes, and the lock is free."""
    held, ready = tmp_path / "held", tmp_path / "ready"
    (tmp_path / "conftest.py").write_text(
        "import fcntl, os, time\n"
        "def pytest_sessionstart(session):\n"
        f"    file = os.open({str(held)!r}, os.O_RDWR | os.O_CREAT)\n"
        "    fcntl.flock(file, fcntl.LOCK_EX)\n"
        f"    open({str(ready)!r}, 'w').close()\n"
        "    time.sleep(60)\n"
    )
    starter = (
        "import os; from pathlib import Path\n"
        "from vitbench.fleet.case_process import CaseProcess\n"
        f"CaseProcess(Path({str(tmp_path)!r}), (), os.environ).measure('m', Path('/'), 60)\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**ENVIRONMENT, "TMPDIR": str(scratch)}
    parent = subprocess.Popen([sys.executable, "-c", starter], env=environment)
    try:
        until = time.monotonic() + 60
        while not ready.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        with locked(held, wait=False) as free:
            assert not free
        assert [*scratch.iterdir()]
    finally:
        parent.kill()
        parent.wait()
    began = time.monotonic()
    with locked(held):
        assert time.monotonic() - began < 30
    assert not [*scratch.iterdir()], "its files are gone"
