"""The first load of a case happens in a process of its own, once, and a crash costs that case."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from vitbench.build.artifacts import ArtifactCache
from vitbench.case import Case
from vitbench.errors import Unavailable, WorkerFailed
from vitbench.measure import first_load
from vitbench.measure.first_load import FirstLoads
from vitbench.measure.footprint import Fresh
from vitbench.runtimes import Placement, variant

ONE, EIGHT, LARGE = (Case("m", "fp32", "cpu", batch) for batch in (1, 8, 32))
OTHER = Case("m", "int8", "cpu", 1)


class Machine:
    """Where processes load cases: a diary of them, and which batch sizes crash."""

    def __init__(self, monkeypatch, folder):
        self.diary, self.crashes, self.folder = [], {}, folder
        monkeypatch.setattr(first_load, "fresh_process", self.load)

    def load(self, case, placement, images, others=()):
        assert placement.path == Path("a")
        batches = [len(images), *map(len, others)]
        self.diary.append((case.variant, *batches))
        for batch in batches:
            if error := self.crashes.get((case.variant, batch)):
                raise error
        return Fresh({"load_seconds": float(len(self.diary))}, np.zeros((2, len(images), 3)))

    def run(self, *planned):
        """The first loads of another run."""
        loads = FirstLoads(
            ArtifactCache(self.folder),
            lambda case: Placement(Path("a"), variant("fp32"), case.device, {}, 1),
            lambda case: {"case": case.id},
            lambda case: np.zeros((case.batch, 3, 2, 2), np.float32),
        )
        loads.planned = planned
        return loads


@pytest.fixture
def machine(monkeypatch, tmp_path):
    return Machine(monkeypatch, tmp_path)


SEGV = WorkerFailed("the process that loads it was killed by SIGSEGV")


def test_it_is_loaded_once_for_all_runs_and_at_the_largest_batch(machine):
    run = machine.run(ONE, EIGHT, LARGE, OTHER)
    for case in (ONE, ONE, LARGE, EIGHT):
        run.prove(case)
    assert machine.diary == [("fp32", 1, 32)]
    machine.run().prove(EIGHT)
    assert len(machine.diary) == 1
    machine.run(OTHER).prove(OTHER)
    assert machine.diary[1:] == [("int8", 1)]


def test_the_footprint_is_of_the_first_load_where_that_is_of_this_run(machine):
    run = machine.run(ONE, LARGE)
    run.prove(ONE)
    assert run.fresh(ONE).figures == run.fresh(ONE).figures == {"load_seconds": 1.0}
    assert len(machine.diary) == 1
    later = machine.run(ONE, LARGE)
    later.prove(ONE)
    assert later.fresh(ONE).figures == {"load_seconds": 2.0}
    assert machine.diary[1:] == [("fp32", 1)], "measured alone: it is known to load"


def test_a_crash_costs_its_case_alone_and_is_not_tried_again(machine):
    machine.crashes["fp32", 1] = SEGV
    run = machine.run(ONE, OTHER)
    for act in (run.prove, run.prove, run.fresh):
        with pytest.raises(WorkerFailed, match="killed by SIGSEGV"):
            act(ONE)
    run.prove(OTHER)
    assert machine.diary == [("fp32", 1), ("int8", 1)]
    machine.crashes.clear()
    machine.run(ONE).prove(ONE)  # another run tries again
    assert len(machine.diary) == 3


def test_a_crash_at_the_largest_batch_costs_no_smaller_one(machine):
    machine.crashes["fp32", 32] = SEGV
    run = machine.run(ONE, EIGHT, LARGE)
    run.prove(ONE)
    assert run.fresh(ONE).figures["load_seconds"] == 2
    with pytest.raises(WorkerFailed):
        run.prove(LARGE)
    run.prove(EIGHT)
    assert machine.diary == [("fp32", 1, 32), ("fp32", 1), ("fp32", 32), ("fp32", 8)]


def test_what_cannot_run_here_is_unavailable_as_ever(machine):
    machine.crashes["fp32", 1] = Unavailable("no such instructions")
    with pytest.raises(Unavailable, match="instructions"):
        machine.run(ONE).prove(ONE)


def test_nothing_else_is_timed_meanwhile_if_wanted(machine):
    inside = []

    @contextmanager
    def alone():
        inside.append("in")
        yield
        inside.append("out")

    run = machine.run(ONE)
    run.prove(ONE, alone)
    run.prove(ONE, alone)
    assert inside == ["in", "out"]


PLANTED = """
import os, signal
from vitbench.runtimes import eager
load = eager.load

def crash(placement):
    if placement.variant.precision == "int8":
        {how}
    return load(placement)

eager.load = crash
"""


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGILL)", "was killed by SIGILL"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL, as when memory runs out"),
        ("os._exit(3)", "ended with status 3 and no answer"),
    ],
)
def test_a_runtime_that_crashes_costs_its_case_and_not_the_run(
    suite, tmp_path, environment, how, words
):
    """In every process of Python that finds `sitecustomize` on its path, the workers' too."""
    from tests.suite.test_run import the_report

    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "sitecustomize.py").write_text(PLANTED.format(how=how))
    environment["PYTHONPATH"] = f"{ROOT}:{tmp_path / 'planted'}"
    done = suite(
        "--variant=int8-dynamic", "--variant=scripted", "--batch=1",
        f"--cache={tmp_path / 'cache'}", paths=("benchmarks/test_latency.py",),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed" in done.stdout
    (sentence,) = the_report(tmp_path)["vitbench"]["failed"].values()
    assert sentence.startswith(
        f"the process that loads deit_tiny_patch16_224/int8-dynamic/cpu/b1 {words}"
    )
    assert sentence in done.stdout
