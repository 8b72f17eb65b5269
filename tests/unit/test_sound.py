"""One figure that cannot be makes its own case INCOMPARABLE, and leaves the others as they are."""

import pytest

from tests.helpers.reports import TINY, a_report, benchmark_of
from tests.unit.test_gate import FP32, INT8, baseline, run, timed
from vitbench.cli.main import main
from vitbench.gate.judgement import judge_report
from vitbench.gate.times import Rules
from vitbench.judge.contract_results import judge_contracts
from vitbench.judge.contracts import Contract
from vitbench.report.sound import left_out, sound
from vitbench.show.table import table

OTHER = f"{TINY}/scripted/cpu/b1"
NUMBERS = [
    0,
    -1.0,
    float("nan"),
    float("inf"),
    -float("inf"),
    10**400,
    None,
    "0.02",
    True,
    [0.02],
    {},
]


def plain(**medians):
    """A plain pytest-benchmark report; a median of ... is not there."""
    rows = [
        {"group": None, "name": name, "fullname": f"t.py::{name}", "extra_info": {},
         "stats": {} if median is ... else {"median": median}}
        for name, median in medians.items()
    ]  # fmt: skip
    return {"benchmarks": rows, "machine_info": {"cpu": {"brand_raw": "EPYC", "count": 2}}}


def states(head, *bases):
    found = judge_report(head, bases, Rules(tolerance=0.10)).verdicts
    return {each.case: each.state for each in found}, {each.case: each.sentence for each in found}


def broken(place, value, row=1):
    """Three cases, one of which has a figure at `place` that is `value`."""
    report = run(timed(FP32, 1.0), timed(), timed(OTHER))
    *way, last = place
    holder = report["benchmarks"][row]
    for key in way:
        holder = holder[key]
    holder[last] = value
    return report


@pytest.mark.parametrize("value", [*NUMBERS, ...], ids=str)
def test_a_plain_median_that_cannot_be(value):
    good = plain(a=0.1, b=0.1)
    for head, base in ((plain(a=value, b=0.3), good), (good, plain(a=value, b=0.03))):
        found, why = states(head, base)
        assert found == {"t.py::a": "INCOMPARABLE", "t.py::b": "SLOWER"}
        assert ("this report" if head is not good else "the baseline") in why["t.py::a"]
        assert "positive number" in why["t.py::a"]
        assert len(why["t.py::a"]) < 200


PLACES = [
    *((("stats", "median"), value) for value in NUMBERS),
    *((("extra_info", "ratio", "speedup"), value) for value in NUMBERS),
    (("stats", "data"), []),
    (("stats", "data"), [0.02, 0.0]),
    (("stats", "data"), [0.02, float("nan")]),
    (("stats", "data"), [0.02, 0.02, 0.02]),
    (("extra_info", "reference", "rounds"), [0.07, -0.07]),
    (("extra_info", "ratio", "standard_error"), float("nan")),
    (("extra_info", "ratio", "standard_error"), 1e200),
    (("extra_info", "ratio", "standard_error"), -0.01),
    (("extra_info", "ratio", "standard_error"), "x"),
    (("extra_info", "ratio", "batches"), 1),
    (("extra_info", "predictions", "top1"), [0] * 199),
    (("extra_info", "ratio"), {}),
    (("stats",), None),
]


@pytest.mark.parametrize(("place", "value"), PLACES, ids=str)
def test_a_figure_of_ours_that_cannot_be(place, value):
    good = run(timed(FP32, 1.0), timed(), timed(OTHER, 3.0))
    expected = {INT8: "INCOMPARABLE", OTHER: "SLOWER"}
    assert states(broken(place, value), good)[0] == expected
    good = run(timed(FP32, 1.0), timed(), timed(OTHER, 1.0))
    assert states(good, broken(place, value))[0] == expected


def test_the_reference_too_and_what_stays():
    found, why = states(broken(("stats", "median"), 0, row=0), baseline())
    assert found == {FP32: "INCOMPARABLE", INT8: "SAME", OTHER: "NEW"}
    assert "its median is 0" in why[FP32]
    for report in (a_report(), baseline(), broken(("extra_info", "ratio", "standard_error"), None)):
        assert left_out(report) == ()
        assert sound(report) == report


def test_a_case_that_is_gone_is_missing_whatever_its_figures_were():
    found, _ = states(run(timed(FP32, 1.0)), broken(("stats", "median"), 0))
    assert found == {INT8: "MISSING", OTHER: "MISSING"}
    assert states(plain(b=0.1), plain(a=0, b=0.1))[0]["t.py::a"] == "MISSING"


@pytest.mark.parametrize("seconds", [[0.1, 0.3], [0.1, 0.1, 0.1]])
def test_what_is_there_twice_is_left_out(seconds):
    twice = plain(b=0.3)
    twice["benchmarks"] += [plain(a=each)["benchmarks"][0] for each in seconds]
    found, why = states(twice, plain(a=0.3, b=0.1))
    assert found == {"t.py::a": "INCOMPARABLE", "t.py::b": "SLOWER"}
    assert f"it is there {len(seconds)} times" in why["t.py::a"]
    assert states(plain(a=0.3, b=0.3), twice)[0]["t.py::a"] == "INCOMPARABLE"
    ours = run(timed(FP32, 1.0), *(timed(speedup=each) for each in seconds), timed(OTHER))
    assert states(ours, baseline())[0] == {INT8: "INCOMPARABLE", OTHER: "NEW"}
    shown = " ".join(table(ours, None).split())
    assert f"Left out: {INT8}: it is there {len(seconds)} times" in shown
    # One case of two groups is no double, and long names are told apart by their ends.
    long = plain(**{"a" * 400 + end: 0.1 for end in "xy"})
    assert list(states(long, long)[0].values()) == ["INCONCLUSIVE"] * 2
    assert left_out(run(timed(), timed(group="throughput"))) == ()


def test_the_gate_names_the_file_and_judges_the_rest(reports_here, capsys):
    reports_here(head=plain(a=0.1, b=0.3), zero=plain(a=0, b=0.1), none=plain(a=0, b=None))
    assert main(["gate", "head.json", "--baseline=zero.json"]) == 1
    out, err = capsys.readouterr()
    assert "INCOMPARABLE  t.py::a: left out of the baseline: zero.json: its median is 0, but" in out
    assert "2 cases: 1 SLOWER, 1 INCOMPARABLE" in out
    assert err == ""
    assert main(["gate", "none.json", "--baseline=head.json"]) == 2
    assert "2 cases: 2 INCOMPARABLE" in capsys.readouterr().out
    assert main(["gate", "none.json", "--baseline=none.json"]) == 2


def test_ours_with_a_figure_that_cannot_be(reports_here, capsys):
    good = run(timed(FP32, 1.0), timed(), timed(OTHER))
    reports_here(bad=broken(("stats", "median"), float("nan")), good=good)
    assert main(["gate", "bad.json", "--baseline=good.json"]) == 0
    assert "bad.json: the report.benchmarks[1].stats.median should be number, but is nan" in (
        capsys.readouterr().out
    )
    assert main(["accept", "bad.json"]) == 4
    assert f"not accepted as a baseline: {INT8}: bad.json" in capsys.readouterr().err
    assert main(["show", "bad.json"]) == 0
    assert f"{INT8}: bad.json: the report" in " ".join(capsys.readouterr().out.split())
    assert main(["best", "bad.json"]) == 0
    assert "out: int8-dynamic/cpu/b1: left out: bad.json" in capsys.readouterr().out
    assert main(["compare", "bad.json", "good.json"]) == 0


def test_a_contract_for_a_case_that_is_left_out_is_unproven():
    contract = Contract("*int8*", "speedup", 1.5, "speedup >= 1.5", "pyproject.toml:2")
    (results,) = judge_contracts([contract], broken(("stats", "median"), 0), {})
    assert results.state == "UNPROVEN"
    assert "left out of the report: its median is 0" in results.sentence


def test_a_footprint_that_cannot_be():
    row = benchmark_of(INT8, "footprint")
    row["extra_info"]["peak_memory_bytes"] = 0
    found, why = states(run(timed(FP32, 1.0), timed(), row), baseline())
    assert found[f"{INT8} (footprint)"] == "INCOMPARABLE"
    assert "its peak_memory_bytes is 0" in why[f"{INT8} (footprint)"]


def test_a_report_cut_down_to_its_benchmarks_is_vitbenchs_still(reports_here, capsys):
    head, base = (
        {"benchmarks": run(timed(FP32, 1.0), timed(speedup=x))["benchmarks"]} for x in (1, 2)
    )
    reports_here(head=head, base=base)
    assert main(["gate", "head.json", "--baseline=base.json"]) == 1
    assert f"SLOWER  {INT8}" in capsys.readouterr().out
    assert main(["show", "head.json"]) == 0
    assert "1.00x" in capsys.readouterr().out
    # Another suite's own `case` and `schema` are no case of ours.
    for each in head["benchmarks"]:
        each["extra_info"] = {"schema": 9, "case": {"id": "small"}}
    reports_here(head=head)
    assert main(["show", "head.json"]) == 0
    assert "no vitbench benchmarks" in capsys.readouterr().out
