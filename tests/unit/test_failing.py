"""What fails in a phase of a test, in a small pytest run of its own."""

import json

pytest_plugins = ["pytester"]

SUITE = """
import pytest
from vitbench.case import Case

def pytest_generate_tests(metafunc):
    cases = [Case("m", name, "cpu", 1) for name in {names}]
    metafunc.parametrize("case", [pytest.param(case, id=case.id) for case in cases])

@pytest.fixture
def around(case):
    planted(case, "setup")
    yield
    planted(case, "teardown")

def planted(case, phase):
    kind, _, where = case.variant.partition("-in-")
    if where == phase:
        {{"crash": crash, "fail": pytest.fail, "skip": pytest.skip}}[kind]("planted")

def crash(why):
    raise RuntimeError("a message" + chr(10) + "of two lines")

def test_case(case, around, benchmark):
    benchmark.pedantic(lambda: None, rounds=2)
    planted(case, "call")
"""
CONFTEST = """
import json
from vitbench.plugin.recording import recorder_of

pytest_plugins = ["vitbench.plugin.names", "vitbench.plugin.options", "vitbench.plugin.failing"]

def pytest_sessionfinish(session):
    recorder = recorder_of(session.config)
    found = [recorder.failed, [row.name for row in recorder.benchmarks.benchmarks]]
    with open("found.json", "w") as file:
        json.dump(found, file)
"""


RERUN = (
    CONFTEST
    + """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    if any(report.failed for report in runtestprotocol(item, nextitem=nextitem, log=False)):
        item._initrequest()
        runtestprotocol(item, nextitem=nextitem)
    return True
"""
)
TWICE = """
import pytest
from vitbench.case import Case

CASES = [Case("m", name, "cpu", 1) for name in ("good", "bad", "odd")]
FIGURES = {"good": 1, "bad": 2, "odd": {3}}
TRIES = []

@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, benchmark):
    TRIES.append(case.variant)
    benchmark.pedantic(lambda: None, rounds=2)
    benchmark.extra_info.update(case={"id": case.id}, figure=FIGURES[case.variant])
    if case.variant == "bad" or TRIES == ["good"]:
        raise RuntimeError("planted")
"""


def in_process(pytester, monkeypatch, conftest, suite):
    """Failed cases with their reasons, and names of rows, of a small run."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makeconftest(conftest)
    pytester.makepyfile(suite)
    pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    return json.loads((pytester.path / "found.json").read_text())


def test_of_a_test_that_is_run_again_the_last_attempt_counts(pytester, monkeypatch):
    """As pytest-rerunfailures does it. A figure that a report cannot hold fails its case."""
    failed, rows = in_process(pytester, monkeypatch, RERUN, TWICE)
    assert failed == {
        "m/bad/cpu/b1": "RuntimeError: planted",
        "m/odd/cpu/b1":
            "TypeError: extra_info.figure is of the type set, which a report cannot hold",
    }  # fmt: skip
    assert rows == ["test_case[m/good/cpu/b1]"]


def test_an_error_in_any_phase_is_the_failure_of_its_case(pytester, monkeypatch):
    """A skip is no failure."""
    crashes = [f"crash-in-{phase}" for phase in ("setup", "call", "teardown")]
    fails = [f"fail-in-{phase}" for phase in ("setup", "call", "teardown")]
    names = [*crashes, *fails, "skip-in-setup", "skip-in-call", "good"]
    failed, rows = in_process(pytester, monkeypatch, CONFTEST, SUITE.format(names=names))
    assert {case.split("/")[1]: why for case, why in failed.items()} == {
        **dict.fromkeys(crashes, "RuntimeError: a message of two lines"),
        **dict.fromkeys(fails, "Failed: planted"),
    }
    assert rows == ["test_case[m/good/cpu/b1]"]


SAID = """
import pytest
from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.plugin.cases import EXPECTED
from vitbench.plugin.measuring import outcomes
from vitbench.plugin.recording import recorder_of

pytestmark = [pytest.mark.filterwarnings(f"ignore:{words}") for words in EXPECTED]

@pytest.mark.parametrize("error", [UserError("planted: BROKEN"), KeyError("planted: a crash")])
def test_case(error, benchmark, request):
    with outcomes(Case("m", "bad", "cpu", 1), recorder_of(request.config)):
        raise error
"""


def test_a_case_that_fails_before_it_is_timed_says_its_sentence_once(pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SAID)
    told = pytester.runpytest_inprocess("-p", "no:randomly", "-rN").stdout.str()
    assert "2 failed" in told
    assert told.count("planted: BROKEN") == told.count("planted: a crash") == 1
    assert "PytestBenchmarkWarning" not in told
