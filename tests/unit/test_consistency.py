"""The suite's module on consistency, with cases that are wrong in each way it asks for."""

from ast import literal_eval

from tests.conftest import ROOT

pytest_plugins = ["pytester"]

CONFTEST = """
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from vitbench.case import Case
from vitbench.measure.verification import require_unbroken
from vitbench.plugin.measuring import *
from vitbench.plugin.recording import recorder_of
from vitbench.runtimes import Deployment

pytest_plugins = ["vitbench.plugin.names", "vitbench.plugin.options", "vitbench.plugin.failing"]
CASES = [Case("m", name, device, 1) for name, device in (
    ("fine", "cpu"), ("fine", "cuda"), ("unproven", "cuda"), ("wrong", "cpu"), ("batch", "cpu"),
    ("restless", "cpu"), ("device", "cuda"))]

def pytest_generate_tests(metafunc):
    metafunc.parametrize("case", CASES, ids=str)

class Planted:
    def verify(self, case, against=None):
        compared = "wrong" if against is None else (
            "batch" if against.batch != case.batch else "device")
        state = "BROKEN" if case.variant == compared else (
            "UNPROVEN" if case.variant == "unproven" else "KEPT")
        agreement = SimpleNamespace(state=state, sentence=f"{case.id} is planted {state}")
        return SimpleNamespace(agreement=agreement)

    def verified(self, case, against=None):
        return require_unbroken(self.verify(case, against))

    def sample(self, _):
        return SimpleNamespace(images=np.zeros((8, 3, 2, 2), np.float32))

    def deployment(self, case):
        calls = itertools.count()
        more = case.variant == "restless"
        return Deployment(lambda x: x, lambda x: x.sum((1, 2)), lambda x: x + more * next(calls))

@pytest.fixture
def vitbench_session():
    return Planted()

def pytest_sessionfinish(session):
    print("recorded", recorder_of(session.config).failed)
"""


def test_each_way_of_being_wrong_fails_its_own_test_and_no_other(pytester):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile((ROOT / "vitbench/benchmarks/test_consistency.py").read_text())
    result = pytester.runpytest("-pno:cacheprovider", "-pno:vitbench.plugin", "-s", "-rfE")
    result.assert_outcomes(failed=4, skipped=4, passed=20)
    said = [line for line in result.outlines if line.startswith(("FAILED", "ERROR"))]
    assert [line.partition("::")[2].partition(" - ")[0] for line in said] == [
        "test_agreement[m/wrong/cpu/b1]",
        "test_repeatability[m/restless/cpu/b1]",
        "test_batch_of_one_against_eight[m/batch/cpu/b1]",
        "test_cuda_against_cpu[m/device/cuda/b1]",
    ]
    (recorded,) = (line for line in result.outlines if "recorded" in line)
    assert literal_eval(recorded.partition("recorded ")[2]) == {
        "m/wrong/cpu/b1": "m/wrong/cpu/b1 is planted BROKEN",
        "m/restless/cpu/b1": "m/restless/cpu/b1 gives other logits for the same images",
        "m/batch/cpu/b1": "m/batch/cpu/b8 is planted BROKEN",
        "m/device/cuda/b1": "m/device/cuda/b1 is planted BROKEN",
    }
