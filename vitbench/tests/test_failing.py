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
from fixtures.recording import recorder_of

pytest_plugins = ["fixtures.failing"]

def pytest_sessionfinish(session):
    recorder = recorder_of(session.config)
    found = [recorder.failed, [row.name for row in recorder.benchmarks.benchmarks]]
    with open("found.json", "w") as file:
        json.dump(found, file)
"""


def test_an_error_in_any_phase_is_the_failure_of_its_case(pytester, monkeypatch):
    """A skip is no failure; who calls `pytest.fail` in the call has recorded a sentence before."""
    crashes = [f"crash-in-{phase}" for phase in ("setup", "call", "teardown")]
    fails = [f"fail-in-{phase}" for phase in ("setup", "call", "teardown")]
    names = [*crashes, *fails, "skip-in-setup", "skip-in-call", "good"]
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE.format(names=names))
    pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    failed, rows = json.loads((pytester.path / "found.json").read_text())
    assert {case.split("/")[1]: why for case, why in failed.items()} == {
        **dict.fromkeys(crashes, "RuntimeError: a message of two lines"),
        "fail-in-setup": "Failed: planted",
        "fail-in-teardown": "Failed: planted",
    }
    assert rows == ["test_case[m/good/cpu/b1]"]
