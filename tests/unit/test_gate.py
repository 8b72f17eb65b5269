"""Verdicts over history, on reports written by hand."""

import pytest

from tests.helpers.reports import TINY, agreement_of, benchmark_of, ratio_of, report_of
from vitbench.gate.judgement import judge_report
from vitbench.gate.times import Rules

INT8, FP32 = f"{TINY}/int8-dynamic/cpu/b1", f"{TINY}/fp32/cpu/b1"
IMAGES = [f"image-{index}" for index in range(200)]
MACHINE = {
    "fingerprint": "0123456789abcdef", "cpu": {"model": "EPYC", "isa": ["avx2"]}, "cores": 2,
    "quota": None, "gpus": [], "threads": 2, "weights": {TINY: "aa"},
    "versions": {"torch": "2.12.1", "vitbench": "0.1.0"}, "variables": {},
}  # fmt: skip


def timed(case=INT8, speedup=2.0, top1=None, group="latency", error=0.005, **agreement):
    """A case timed in pairs, with predictions of 200 images."""
    found = benchmark_of(
        case,
        group,
        ratio=ratio_of(speedup, standard_error=error),
        agreement=agreement_of(images=200, effective_images=200.0, **agreement),
    )
    top1 = [0] * len(IMAGES) if top1 is None else top1
    found["extra_info"]["predictions"] = {"images": IMAGES, "top1": top1, "margin": [1.0] * 200}
    return found


def run(*benchmarks, machine=None, commit="abc", when="2026-01-01T00:00:00+00:00", **changes):
    report = report_of(*benchmarks, **changes)
    report["machine_info"]["vitbench"] = MACHINE | (machine or {})
    report["commit_info"]["id"] = commit
    return report | {"datetime": when}


def baseline():
    return run(timed(FP32, 1.0), timed())


def verdicts(head, *bases, **rules):
    found = judge_report(head, bases or [baseline()], Rules(**{"tolerance": 0.10, **rules}))
    return {verdict.case: verdict for verdict in found.verdicts}


@pytest.mark.parametrize(
    ("speedup", "state", "words"),
    [
        (2.01, "SAME", "time -0.5 % [-6.4, +5.8]: within the tolerance of 10 %"),
        (1.5, "SLOWER", "time +33.3 % [+25.4, +41.8]: beyond the tolerance of 10 %"),
        (2.8, "FASTER", "time -28.6 %"),
        (1.85, "INCONCLUSIVE", "detects a slowdown of 14 % or more"),
    ],
)
def test_the_ratio_to_the_reference_is_what_is_judged(speedup, state, words):
    head = run(timed(FP32, 1.0), timed(speedup=speedup))
    found = verdicts(head)
    assert set(found) == {INT8}  # the ratio of a reference to itself says nothing
    assert found[INT8].state == state
    assert words in found[INT8].sentence


def test_a_real_but_small_slowdown_is_not_slower():
    base = run(timed(error=0.001))
    head = run(timed(speedup=2.0 / 1.08, error=0.001))
    assert verdicts(head, base, process_spread=0.001)[INT8].state == "SAME"
    assert verdicts(head, base, process_spread=0.001, tolerance=0.05)[INT8].state == "SLOWER"


def test_a_tolerance_of_its_own():
    head = run(timed(speedup=1.5))
    found = verdicts(head, tolerance_of=lambda case: 0.5 if case == INT8 else None)
    assert found[INT8].state == "SAME"


def test_few_rounds_are_told_and_never_slower_by_chance():
    head = run(timed(speedup=1.7, error=None))
    head["benchmarks"][0]["stats"]["data"] = [0.05, 0.051]
    found = verdicts(head)[INT8]
    assert found.state == "INCONCLUSIVE"
    assert "too few rounds: give it more --seconds" in found.sentence
    head["benchmarks"][0]["stats"]["data"] = [0.05]
    assert verdicts(head)[INT8].state == "INCONCLUSIVE"


def test_two_rounds_of_many_cases_see_nothing_and_say_so():
    """One degree of freedom at 1 % of 90 cases: a bound that is no number any more."""
    rows = [timed(FP32, 1.0), *(timed(f"{TINY}/v{i}/cpu/b1") for i in range(90))]
    for row in rows[1:]:
        row["extra_info"]["ratio"] |= {"standard_error": None, "batches": 2}
        row["stats"]["data"] = [0.1, 0.165]
        row["extra_info"]["reference"]["rounds"] = [0.2, 0.2]
    found = verdicts(run(*rows), run(*rows))
    assert {each.state for each in found.values()} == {"INCONCLUSIVE"}
    assert "this comparison detects no slowdown" in found[f"{TINY}/v1/cpu/b1"].sentence
    assert found[f"{TINY}/v1/cpu/b1"].figures["visible"] is None


def test_a_slow_machine_slows_the_reference_too_and_is_a_note():
    head = baseline()
    for each in head["benchmarks"]:
        each["extra_info"]["reference"]["rounds"] = [0.14, 0.142]
    found = judge_report(head, [baseline()], Rules(tolerance=0.10))
    assert [each.state for each in found.verdicts] == ["SAME"]
    assert found.notes == (
        f"the time of the reference {FP32} itself is +100 % against the baseline: the machine "
        "changed, or code that all cases share; ratios to the reference do not show this",
    )


def test_the_median_of_several_runs_outvotes_an_outlier():
    bases = [run(timed(speedup=speedup)) for speedup in (2.3, 2.0, 1.98, 2.02, 2.01)]
    assert verdicts(baseline(), bases[0])[INT8].state == "SLOWER"
    assert verdicts(baseline(), *bases[1:])[INT8].state == "SAME"
    # A history that wanders shows how little it can tell.
    found = verdicts(baseline(), *bases)[INT8]
    assert found.change == pytest.approx(0.005)
    assert found.state == "INCONCLUSIVE"
    assert "the baseline's own runs differ by 6 % (standard deviation)" in found.sentence


def flipped(count, to=7):
    return [to] * count + [0] * (len(IMAGES) - count)


def test_predictions_that_differ_from_the_baselines():
    drift = run(timed(FP32, 1.0), timed(top1=flipped(20)))
    found = verdicts(drift)[INT8]
    assert found.state == "DRIFTED"
    assert "of 200 images 20 lost the top-1 of the baseline's float32, and 0" in (found.sentence)
    few = run(timed(FP32, 1.0), timed(top1=flipped(5)))
    assert verdicts(few)[INT8].state == "SAME"
    # As many gained as lost is no drift: the recipe rounds otherwise.
    base = run(timed(FP32, 1.0), timed(top1=flipped(20)))
    head = run(timed(FP32, 1.0), timed(top1=flipped(20)[::-1]))
    assert verdicts(head, base)[INT8].state == "SAME"
    # A reference has no verdict of its time, but one of its predictions.
    assert verdicts(run(timed(FP32, 1.0, top1=flipped(20)), timed()))[FP32].state == "DRIFTED"


def test_crops_of_few_photographs_prove_less():
    head = run(timed(FP32, 1.0), timed(top1=flipped(20)))
    head["benchmarks"][1]["extra_info"]["agreement"]["effective_images"] = 20.0
    assert verdicts(head)[INT8].state == "SAME"


def test_other_images_or_synthetic_weights_are_not_compared():
    head = run(timed(FP32, 1.0), timed(top1=flipped(20), claimed=False))
    assert verdicts(head)[INT8].state == "SAME"
    head = run(timed(FP32, 1.0), timed(top1=flipped(20)))
    head["vitbench"]["images"] = head["vitbench"]["images"] | {"sha256": "b" * 64}
    for row in head["benchmarks"]:
        row["extra_info"]["predictions"]["images"] = [f"other-{index}" for index in range(200)]
    found = judge_report(head, [baseline()], Rules(tolerance=0.10))
    assert found.verdicts[0].state == "SAME"
    assert "predictions are not compared" in found.notes[0]


def test_nothing_is_silent():
    other = f"{TINY}/scripted/cpu/b1"
    base = run(timed(FP32, 1.0), timed(), timed(other), timed(INT8, group="throughput"))
    head = run(timed(FP32, 1.0), timed(f"{TINY}/script/cpu/b1"), failed={INT8: "BROKEN: wrong"})
    found = verdicts(head, base)
    assert found[f"{TINY}/script/cpu/b1"].state == "NEW"
    assert found[other].state == "MISSING"
    assert f"renamed to {TINY}/script/cpu/b1?" in found[other].sentence
    assert found[INT8].state == "DRIFTED"
    assert "fails in this report: BROKEN: wrong" in found[INT8].sentence
    assert found[f"{INT8} (throughput)"].state == "DRIFTED"
    head = run(timed(FP32, 1.0), unavailable={INT8: "no engine"}, complete=False)
    found = verdicts(head, base)
    assert "unavailable in this report: no engine" in found[INT8].sentence
    assert "cut short" in found[other].sentence


def test_what_fails_beside_its_times_or_without_any():
    footprint = benchmark_of(f"{TINY}/lite/cpu/b1", "footprint")
    base = run(timed(FP32, 1.0), timed(), footprint)
    failed = {INT8: "not repeatable", f"{TINY}/lite/cpu/b1": "killed", f"{TINY}/x/cpu/b1": "no"}
    found = verdicts(run(timed(FP32, 1.0), timed(), failed=failed), base)
    states = {case.split("/")[1]: verdict.state for case, verdict in found.items()}
    assert states == {"int8-dynamic": "DRIFTED", "lite": "DRIFTED", "x": "INCOMPARABLE"}


def test_what_fails_beside_plain_benchmarks_is_not_passed():
    plain = {"name": "test_a", "fullname": "t.py::test_a", "stats": {"median": 0.1},
             "extra_info": {}}  # fmt: skip
    head = run(failed={INT8: "RuntimeError: out of memory"})
    head["benchmarks"] = [plain]
    assert verdicts(head)[INT8].state == "DRIFTED"


def test_broken_limits_are_drift():
    head = run(timed(FP32, 1.0), timed(state="BROKEN", sentence="92 %: BROKEN"))
    assert "its limits are broken: 92 %: BROKEN" in verdicts(head)[INT8].sentence


def test_another_machine_or_reference_is_incomparable():
    machine = {"fingerprint": "f" * 16, "threads": 8, "weights": {TINY: "bb"}}
    found = verdicts(run(timed(), machine=machine))[INT8]
    assert found.state == "INCOMPARABLE"
    assert f"threads 2 -> 8; weights of {TINY}" in found.sentence
    head = baseline()
    head["benchmarks"][1]["extra_info"]["reference"]["variant"] = "compiled"
    assert "with compiled here and fp32 in the baseline" in verdicts(head)[INT8].sentence


def test_versions_are_named_beside_a_change_and_never_stop_it():
    new = {"versions": MACHINE["versions"] | {"torch": "2.14.1"}}
    head = run(timed(speedup=1.2), machine=new, commit="def")
    found = judge_report(head, [baseline()], Rules(tolerance=0.10))
    since = "torch 2.12.1 -> 2.14.1, commit abc -> def"
    assert found.verdicts[0].sentence.endswith(f"; since then {since}")
    assert f"changed since the baseline: {since}" in found.notes


def test_the_operators_that_grew():
    def profiled(speedup, **seconds):
        each = timed(speedup=speedup)
        each["extra_info"]["operators"] = [
            {"name": name, "seconds": value, "calls": 1} for name, value in seconds.items()
        ]
        return run(each)

    base = profiled(2.0, linear=0.08, softmax=0.02)
    found = verdicts(profiled(1.0, linear=0.06, softmax=0.06), base)[INT8]
    assert "by one profile of each run: softmax +80.0 %, linear +20.0 %" in found.sentence
    many = {f"op{at}": 0.005 for at in range(20)}
    words = verdicts(profiled(1.0, **many), profiled(2.0, **many))[INT8].sentence
    assert words.endswith("; no operator of the profiles has a tenth of the change")
    assert "run both with --profile" in verdicts(run(timed(speedup=1.0)), base)[INT8].sentence


def test_plain_benchmarks_are_judged_and_mostly_not_told():
    def plain(seconds, brand="EPYC"):
        row = {"group": None, "fullname": "t.py::test_a", "stats": {"median": seconds}}
        cpu = {"machine_info": {"cpu": {"brand_raw": brand, "count": 2}}}
        return {"benchmarks": [row | {"extra_info": {}}], **cpu}

    found = verdicts(plain(0.11), plain(0.1))["t.py::test_a"]
    assert found.state == "INCONCLUSIVE"
    assert "identical runs differ by 20%" in found.sentence
    assert verdicts(plain(0.3), plain(0.1))["t.py::test_a"].state == "SLOWER"
    assert verdicts(plain(0.1, "Xeon"), plain(0.1))["t.py::test_a"].state == "INCOMPARABLE"
