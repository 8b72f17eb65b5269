"""The cases of a host share a process of pytest as long as they are of one variant, and go well."""

import json
import os
from pathlib import Path

import pytest

from vitbench.fleet.case_process import CaseProcess, Ran
from vitbench.fleet.receipts import FAILED, MEASURED, UNAVAILABLE

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
SUITE = """
import json, os, signal
import pytest
from vitbench.case import Case
from vitbench.plugin.recording import recorder_of

CASES = [Case("m", variant, "cpu", batch) for batch in (1, 2, 3) for variant in ("fp32", "int8")]
TURN = []


@pytest.fixture(scope="session")
def model():
    return os.getpid()


@pytest.fixture(scope="module")
def module():
    TURN.append("begun")
    yield
    TURN.append("ended")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it(case, model, module, benchmark, request):
    recorder, does = recorder_of(request.config), json.load(open("does.json")).get(case.id)
    if does == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if does == "fails":
        recorder.failed[case.id] = "it is BROKEN"
        pytest.fail("it is BROKEN")
    if does == "skips":
        recorder.unavailable[case.id] = "no such CPU"
        pytest.skip("no such CPU")
    benchmark.pedantic(int, rounds=1)
    benchmark.extra_info["case"] = {"id": case.id}
    benchmark.extra_info["of"] = [model, os.getpid(), *TURN]
"""
CONFTEST = """
from vitbench.plugin.recording import recorder_of

def pytest_benchmark_update_json(config, output_json):
    recorder = recorder_of(config)
    output_json["vitbench"] = {
        name: getattr(recorder, name) for name in ("unavailable", "failed", "complete")
    }
"""


@pytest.fixture
def host(tmp_path):
    """A host whose suite has three cases of two variants."""
    (tmp_path / "test_it.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "does.json").write_text("{}")
    process = CaseProcess(tmp_path, (), ENVIRONMENT)
    yield process
    process.end()


def measured(host: CaseProcess, case: str) -> Ran:
    return host.measure(f"m/{case}", host.folder, 300.0)


def process_of(ran: Ran) -> int:
    """The process that measured a case, and nothing but this case."""
    assert ran.state == MEASURED, ran.why
    (row,) = ran.report["benchmarks"]
    model, process, *_ = row["extra_info"]["of"]
    assert model == process
    assert ran.report["vitbench"] == {"unavailable": {}, "failed": {}, "complete": True}
    return process


def test_cases_of_a_variant_share_a_process_and_each_has_a_report_of_its_own(host):
    ran = [measured(host, f"fp32/cpu/b{batch}") for batch in (3, 1, 2)]
    first, *others = map(process_of, ran)
    assert others == [first, first]
    cases = [row["extra_info"]["case"]["id"] for each in ran for row in each.report["benchmarks"]]
    assert cases == [f"m/fp32/cpu/b{batch}" for batch in (3, 1, 2)]
    # What belongs to a test or a module ends with each case, as in a process of its own.
    assert ran[-1].report["benchmarks"][0]["extra_info"]["of"][2:] == ["begun", "ended"] * 2 + [
        "begun"
    ]
    assert process_of(measured(host, "int8/cpu/b1")) != first


def test_a_killed_process_costs_the_case_in_progress_alone(host):
    (host.folder / "does.json").write_text(json.dumps({"m/fp32/cpu/b2": "dies"}))
    first = process_of(measured(host, "fp32/cpu/b1"))
    died = measured(host, "fp32/cpu/b2")
    assert died.state == ""
    assert died.why.startswith("its process was killed by SIGKILL")
    assert process_of(measured(host, "fp32/cpu/b3")) != first


def test_after_a_case_that_failed_the_next_one_has_another_process(host):
    does = {"m/fp32/cpu/b1": "skips", "m/fp32/cpu/b3": "fails"}
    (host.folder / "does.json").write_text(json.dumps(does))
    skipped, second = measured(host, "fp32/cpu/b1"), measured(host, "fp32/cpu/b2")
    failed = measured(host, "fp32/cpu/b3")
    assert (skipped.state, skipped.why) == (UNAVAILABLE, "no such CPU")
    assert (failed.state, failed.why) == (FAILED, "it is BROKEN")
    assert failed.report["vitbench"]["unavailable"] == {}
    (host.folder / "does.json").write_text("{}")
    assert process_of(measured(host, "fp32/cpu/b3")) != process_of(second)


def test_a_case_that_the_options_do_not_choose_is_said(host):
    host.arguments = ("-k", "fp32 and b1")
    none, other = measured(host, "fp32/cpu/b2"), measured(host, "int8/cpu/b1")
    assert (none.state, none.why) == ("", "its options choose no such case there")
    assert other.state == ""
    assert other.why.startswith("pytest ended with status 5")


def test_a_node_keeps_its_cases_on_other_cores_than_its_own(host):
    """`taskset -c 0 ray start` with VITBENCH_FLEET_CORES: what Ray starts has its cores, else."""
    said = "import os, sys; sys.exit(f'ERROR: {sorted(os.sched_getaffinity(0))}')"
    (host.folder / "pytest.py").write_text(said)
    core = max(os.sched_getaffinity(0))
    host.environment = {**ENVIRONMENT, "VITBENCH_FLEET_CORES": str(core)}
    assert measured(host, "fp32/cpu/b1").why.endswith(f"ERROR: [{core}]")
    host.environment = {**ENVIRONMENT, "VITBENCH_FLEET_CORES": "many"}
    assert "taskset: failed to parse CPU list: many" in measured(host, "fp32/cpu/b1").why
