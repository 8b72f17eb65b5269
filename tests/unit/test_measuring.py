"""Measuring a case without pytest, and the row that it makes: the one that reports always had."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from tests.conftest import ROOT
from vitbench.build.entry import Artifact
from vitbench.case import Case
from vitbench.duet.block import Block
from vitbench.duet.measurement import DuetMeasurement
from vitbench.errors import Unavailable, UserError, WrongOutputs
from vitbench.judge.agreement import judge_agreement
from vitbench.judge.verdict import Verdict
from vitbench.measure import extras, measuring
from vitbench.measure.agreement import compare
from vitbench.measure.clock import BusyClock
from vitbench.measure.footprint import Fresh
from vitbench.measure.measurement import Subject
from vitbench.measure.measuring import measure_footprint, measure_in_pairs
from vitbench.measure.options import Options
from vitbench.measure.sample import Sample
from vitbench.measure.verification import Verification, require_unbroken
from vitbench.report import timed
from vitbench.runtimes import Deployment, variant

CASE = Case("m", "scripted", "cpu", 2)
FP32 = replace(CASE, variant="fp32")
IDS = ("a", "b", "c")
LOGITS = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
ARTIFACT = Artifact(Path("model.pt"), "k", 5, "ab", 1.5, True, {"quantized_layers": 3})
CALL_SECONDS = {"fp32": 2.0, "scripted": 1.0}
FIGURES = {
    "load_seconds": 1.0, "first_inference_seconds": 0.5, "peak_memory_bytes": 9,
    "baseline_memory_bytes": 4, "cuda_peak_bytes": None,
}  # fmt: skip


class Run:
    """What measuring asks of a session, on deployments that answer LOGITS in a time of their own.

    `wrong` takes logits to what a variant answers when it is verified, `later` from its n-th timed
    call on.
    """

    def __init__(self):
        self.now, self.calls, self.wrong, self.later = 0.0, 0, {}, {}
        self.clock, self.say = BusyClock(lambda: self.now), lambda _: None
        self.options = Options(models=(), threads=1, cache=Path("c"), seconds=60.0)
        self.sample = lambda _: SAMPLE
        self.model, self.remembers_nothing = lambda _: SimpleNamespace(architecture={}), set()
        photos = [SimpleNamespace(id=name) for name in IDS]
        self.inputs = SimpleNamespace(photos=photos)
        self.artifact = lambda _: ARTIFACT
        self.figures = SimpleNamespace(
            operations=lambda _: 10, peaks=lambda _: {"fp32": 40.0},
            preprocess_seconds=lambda *_: 0.25,
        )  # fmt: skip
        self.profile = lambda *_: [{"name": "gelu", "seconds": 0.1, "calls": 1}]
        fresh = Fresh(FIGURES, np.stack([LOGITS[:2], LOGITS[:2]]))
        self.first_loads = SimpleNamespace(prove=lambda *_: None, fresh=lambda _: fresh)

    def recipe(self, case):
        return variant(case.variant)

    def first_batch(self, case):
        return np.arange(case.batch)

    def deployment(self, case, **_):
        change, since = self.later.get(case.variant, (lambda logits: logits, 0))
        calls = iter(range(10**6))

        def call(images):
            self.now += CALL_SECONDS[case.variant]
            self.calls += 1
            return change(LOGITS[images]) if next(calls) >= since else LOGITS[images]

        return Deployment(lambda images: images, call, np.array, active=nullcontext)

    def verify(self, case):
        wrong = self.wrong.get(case.variant, lambda logits: logits)
        stub = SimpleNamespace(logits=lambda images: wrong(LOGITS[images]))
        names = [f"class {number}" for number in range(7)]
        measured = compare(stub, SAMPLE, LOGITS, 1, names, False, lambda _: False)
        agreement = judge_agreement(measured, variant(case.variant).limits, case.id)
        return Verification(agreement, measured, LOGITS[: case.batch])

    def verified(self, case):
        return require_unbroken(self.verify(case))


SAMPLE = Sample(IDS, IDS, None, np.arange(3), "planted", "s")


class Counters:
    """A joule more at each reading."""

    source = "RAPL package-0"

    def __init__(self, _):
        self.joules = 0.0

    def read(self):
        self.joules += 1.0
        return [self.joules]

    def since(self, before, after):
        return after[0] - before[0]


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(extras, "meter_of", Counters)
    monkeypatch.setattr(extras, "SECONDS", 0.0)
    return Run()


def measured(run, case=CASE, **more):
    return measure_in_pairs(run, case, 20, clock=run.clock, operators=True, **more)


def shape(row):
    """Names of a row and of what lies in it."""
    return {key: set(value) if isinstance(value, dict) else None for key, value in row.items()}


def golden(group):
    """A row of a report that an earlier vitbench wrote."""
    report = json.loads((ROOT / "tests/golden/schema-2.json").read_text())
    return next(row["extra_info"] for row in report["benchmarks"] if row["group"] == group)


def test_a_case_is_measured_without_pytest_in_the_row_of_every_report(run):
    found = measured(run)
    row = json.loads(json.dumps(found.to_json()))
    assert list(found.seconds) == [1.0] * 20
    assert row["reference"] == {"variant": "fp32", "null_arm": False, "rounds": [2.0] * 20}
    assert row["ratio"]["speedup"] == pytest.approx(2.0)
    assert row["images_per_second"] == 2.0
    assert (row["p95_seconds"], row["p99_seconds"]) == (1.0, 1.0)
    assert row["roofline"] == {"operations": 20, "peak_per_second": 40.0, "share": 0.5}
    assert row["predictions"]["images"] == list(IDS)
    assert row["outputs"]["case"]["compared"] == 2 + len(row["outputs"]["rounds"])
    assert row["stages"]["preprocess_seconds"] == 0.25
    assert row["operators"][0]["name"] == "gelu"
    msgspec.convert(row, timed.Timed)
    old, new = shape(golden("latency")), shape(row)
    assert row["energy"]["joules_per_image"] == pytest.approx(1 / 3 / CASE.batch)
    later = {
        "throttled",
        "flips",
        "energy",
    }  # of rows of schema 2, too, since its golden file was written
    assert new.keys() - later == old.keys()
    old["artifact"] = old["artifact"] | {"quantized_layers"}
    old["agreement"] = old["agreement"] | {"head"}
    assert {key: new[key] for key in old} == old


def test_a_report_keeps_the_answers_to_the_first_images_and_counts_all(run, monkeypatch):
    monkeypatch.setattr(measuring, "RECORDED", 2)
    row = measured(run).to_json()
    assert row["predictions"]["images"] == list(IDS[:2])
    assert len(row["predictions"]["top1"]) == len(row["predictions"]["margin"]) == 2
    assert row["agreement"]["images"] == len(IDS) == 3


def test_a_footprint_is_measured_without_pytest(run):
    charged = []
    found = measure_footprint(run, replace(CASE, batch=2), charged.append)
    assert charged == [found.seconds] == [1.5]
    row = found.to_json()
    assert row.keys() - {"outputs"} == golden("footprint").keys()
    assert row["outputs"]["compared"] == 2
    msgspec.convert(row, timed.Footprint)
    assert row["build_seconds"] == 1.5


def test_the_reference_itself_is_timed_against_a_second_copy(run):
    found = measured(run, FP32)
    assert found.null_arm
    assert found.to_json()["ratio"]["speedup"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [("scripted", "m/scripted/cpu/b2: "), ("fp32", "reference m/fp32/cpu/b2 is BROKEN: not timed")],
)
def test_what_is_broken_is_not_called_once(run, name, words):
    run.wrong[name] = lambda logits: -logits
    with pytest.raises(UserError, match=words):
        measured(run)
    assert run.calls == 0


@pytest.mark.parametrize("name", ["scripted", "fp32"])
def test_what_answers_otherwise_in_its_rounds_gives_no_measurement(run, name):
    run.later[name] = (lambda logits: logits * 2, 8)
    with pytest.raises(WrongOutputs, match="in round"):
        measured(run)


def test_what_fails_beside_the_times_is_left_out_of_the_row(run, monkeypatch):
    def uncounted(_):
        raise Unavailable("this machine does not count energy")

    run.figures.operations = run.figures.preprocess_seconds = lambda *_: 1 / 0
    monkeypatch.setattr(extras, "meter_of", uncounted)
    found = measured(run, afterwards={"cprofile": lambda *_: 1 / 0})
    assert set(found.left_out) == {"operations", "stages", "cprofile", "energy"}
    row = found.to_json()
    assert "stages" not in row
    assert row["left_out"]["cprofile"] == "ZeroDivisionError: division by zero"
    assert row["roofline"]["share"] is None


def test_a_played_case_s_row_has_the_seconds_of_its_blocks():
    blocks = [Block([1.0, 2.0], [1.23456789, 2.0], [1.0, 2.0])]
    row = DuetMeasurement(
        Subject(CASE, ARTIFACT), Verdict(CASE.id, "SAME", "so"), blocks, {"a": 1}, {}
    )
    assert row.seconds == [1.23456789, 2.0]
    told = json.loads(json.dumps(row.to_json()))
    assert told["blocks"][0]["head"] == [1.23457, 2.0]
    assert told.keys() == {
        "schema", "case", "artifact", "verdict", "blocks", "agreement", "outputs"
    }  # fmt: skip
