"""Each case is compared with the newest reports that have it, within the class of its model."""

import pytest

from tests.helpers.reports import TINY
from tests.unit.test_gate import FP32, INT8, MACHINE, run, timed
from vitbench.gate.judgement import judge_report
from vitbench.gate.times import Rules
from vitbench.report.machine import classes, differing

SCRIPTED = f"{TINY}/scripted/cpu/b1"
OTHER = "deit_base_patch16_224"
CUDA = {"name": "NVIDIA H100", "capability": "9.0", "memory_bytes": 85_045_542_912, "cuda": "12.8"}


def states(head, bases, count=None):
    found = judge_report(head, bases, Rules(tolerance=0.10), count)
    return {verdict.case: verdict.state for verdict in found.verdicts}


def suite(speedup=2.0, **changes):
    return run(timed(FP32, 1.0), timed(speedup=speedup), timed(SCRIPTED, 1.0), **changes)


def only_scripted(**changes):
    return run(timed(SCRIPTED, 1.0), **changes)


@pytest.mark.parametrize("selected", [{}, {"selected": ["-k scripted"]}])
@pytest.mark.parametrize("count", [1, 10])
def test_a_case_is_compared_with_the_newest_reports_that_have_it(count, selected):
    """Whether or not the newest report says that its cases were selected."""
    bases = [only_scripted(**selected), suite(), suite()]
    assert states(suite(2.0 / 3), bases, count) == {INT8: "SLOWER", SCRIPTED: "SAME"}
    assert states(suite(), bases, count) == {INT8: "SAME", SCRIPTED: "SAME"}
    found = states(suite(), bases[:1], count)
    assert found == {FP32: "NEW", INT8: "NEW", SCRIPTED: "SAME"}


def test_the_newest_count_of_each_case_and_no_more():
    bases = [only_scripted(), suite(2.0), suite(6.0), suite(6.0), suite(6.0)]
    assert states(suite(2.0), bases, 1)[INT8] == "SAME"
    assert states(suite(2.0), bases, 3)[INT8] == "INCONCLUSIVE"


def test_what_failed_in_a_run_that_was_cut_short_is_no_baseline():
    cut = suite(6.0, complete=False, failed={INT8: "killed"})
    assert states(suite(), [cut, suite()], 1)[INT8] == "SAME"
    assert states(suite(), [suite(6.0, complete=False), suite()], 1)[INT8] == "SLOWER"


@pytest.mark.parametrize(
    ("head", "bases", "missing"),
    [
        # A whole report lacks a case: MISSING, even where the newest report is of selected cases.
        ([], [["-k scripted"], []], True),
        ([], [None, None], True),
        (None, [["-k scripted"], None], True),
        # A selected one lacks nothing but what the same words selected before.
        (["-k scripted"], [[]], False),
        (["-k scripted"], [None], False),
        (["-k scripted"], [["-k int8"]], False),
        (["-k scripted"], [["-k scripted"]], True),
        # What was taken out, and is not in the newest whole report either, is no news.
        ([], [[], ["whole, with int8"]], False),
    ],
)
def test_what_is_missing(head, bases, missing):
    def told(selected):
        return {} if selected is None else {"selected": selected}

    bases = [
        only_scripted(**told(each)) if index + 1 < len(bases) else suite(**told(each))
        for index, each in enumerate(bases)
    ]
    found = states(only_scripted(**told(head)), bases)
    assert (found.get(INT8) == "MISSING") is missing
    assert found[SCRIPTED] == "SAME"


def test_what_a_newer_report_says_was_unavailable_is_not_asked_for():
    """Reports that do not say whether their cases were selected ask further back."""
    gone = run(timed(SCRIPTED, 1.0), unavailable={INT8: "no engine"})
    head = run(timed(SCRIPTED, 1.0), unavailable={INT8: "no engine"})
    assert INT8 not in states(head, [gone, suite()])
    assert states(head, [only_scripted(), suite()])[INT8] == "MISSING"


def test_a_case_that_somebody_added_by_another_selection_is_not_missing():
    big = run(timed(f"{TINY}/scripted/cpu/b64", 1.0), selected=["--batch=64"])
    assert set(states(suite(selected=[]), [big, suite(selected=[])])) == {INT8, SCRIPTED}


def two_models(speedup=2.0, **machine):
    weights = {"weights": {TINY: "aa", OTHER: "bb"}, "fingerprint": "f" * 16} | machine
    rows = [timed(speedup=speedup), timed(f"{OTHER}/int8-dynamic/cpu/b1")]
    return run(*rows, models=(TINY, OTHER), machine=weights)


def test_a_second_model_joins_and_the_first_is_still_compared():
    other = f"{OTHER}/int8-dynamic/cpu/b1"
    assert states(two_models(), [run(timed())]) == {INT8: "SAME", other: "NEW"}
    assert states(two_models(1.0), [run(timed())])[INT8] == "SLOWER"
    assert states(run(timed(speedup=1.0)), [two_models()]) == {INT8: "SLOWER"}
    found = states(two_models(weights={TINY: "cc", OTHER: "bb"}), [two_models()])
    assert found == {INT8: "INCOMPARABLE", other: "SAME"}
    assert set(states(two_models(threads=8), [two_models()]).values()) == {"INCOMPARABLE"}


def test_the_class_of_a_model():
    """Of machine and weights; for a report of one model on a CPU it is the old fingerprint."""
    one, two = ({**MACHINE, "weights": w} for w in ({TINY: "aa"}, {TINY: "aa", OTHER: "bb"}))
    for each in (one, two):
        del each["fingerprint"]
    assert classes(two)[TINY] == classes(one)[TINY] != classes(two)[OTHER]
    assert classes({**one, "threads": 8}) != classes(one)
    # Two reports whose fingerprints differ for a reason that neither records do not compare.
    assert classes(MACHINE) == {TINY: MACHINE["fingerprint"]}
    assert differing(run(machine={"fingerprint": "f" * 16}), run(), TINY) == ["the fingerprint"]


def test_a_new_cuda_or_driver_is_a_version_and_another_card_is_not():
    base = run(timed(), machine={"gpus": [CUDA], "fingerprint": "0" * 16})
    newer = CUDA | {"cuda": "13.0", "memory_bytes": CUDA["memory_bytes"] - 20_000_000}
    head = run(timed(speedup=1.0), machine={"gpus": [newer], "fingerprint": "f" * 16})
    (verdict,) = judge_report(head, [base], Rules()).verdicts
    assert verdict.state == "SLOWER"
    assert verdict.sentence.endswith("; since then cuda 12.8 -> 13.0")
    for other in ({"name": "NVIDIA A100"}, {"memory_bytes": 2 * CUDA["memory_bytes"]}):
        head = run(timed(), machine={"gpus": [CUDA | other], "fingerprint": "f" * 16})
        assert states(head, [base]) == {INT8: "INCOMPARABLE"}


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ({"cpu": {"brand_raw": "EPYC", "count": 2}}, {"cpu": {"brand_raw": "EPYC", "count": 2}}, 1),
        ({"cpu": {"brand_raw": "EPYC", "count": 2}}, {"cpu": {"brand_raw": "EPYC", "count": 4}}, 0),
        ({"cpu": {}}, {"cpu": {}}, 1),
        ({"cpu": {}, "node": "b"}, {"cpu": {}}, 0),
        ({"cpu": {}, "machine": "aarch64"}, {"cpu": {}}, 0),
        ({"cpu": {"brand_raw": "EPYC"}, "node": "b"}, {"cpu": {"brand_raw": "EPYC"}}, 1),
        ({"cpu": {"brand_raw": "EPYC"}, "node": "b"}, {"cpu": {}}, 0),
    ],
)
def test_where_no_cpu_is_named_the_machines_own_name_decides(ours, theirs, same):
    plain = {"benchmarks": [], "machine_info": {"node": "a", "machine": "x86_64"}}
    head, base = ({**plain, "machine_info": plain["machine_info"] | x} for x in (ours, theirs))
    assert bool(differing(head, base)) is not bool(same)
