"""What grew since the baseline: the artifact to the byte, memory and load time by their spread."""

import numpy as np
import pytest

from tests.helpers.reports import benchmark_of
from tests.unit.test_gate import FP32, INT8, run, timed
from vitbench.cli.main import main
from vitbench.gate.footprint import FIGURE_BY_NAME
from vitbench.gate.judgement import judge_report
from vitbench.gate.times import Rules
from vitbench.judge.change import CERTAIN, PROCESS_SPREAD, Timing, change, judge_changes


def foot(case=INT8, size=6_500_000, **figures):
    found = benchmark_of(case, "footprint")
    found["extra_info"]["artifact"]["bytes"] = size
    found["extra_info"] |= figures
    return found


def whole(size=6_500_000, **figures):
    """A reference and a case with its footprint."""
    report = run(timed(FP32, 1.0), timed(), foot(size=size, **figures))
    report["benchmarks"][1]["extra_info"]["artifact"]["bytes"] = size
    return report


def verdicts(head, *bases, **rules):
    found = judge_report(head, bases or [whole()], Rules(**rules))
    return {each.case: each for each in found.verdicts}, " | ".join(found.notes)


@pytest.mark.parametrize("size", [6_566_000, 13_000_000])
def test_an_artifact_that_grew_is_larger(size):
    found, _ = verdicts(whole(size))
    assert found[f"{INT8} (size)"].state == "LARGER"
    assert "6.5 MB before: beyond the tolerance of 1 %" in found[f"{INT8} (size)"].sentence
    assert found[INT8].state == "SAME"
    own = {"size_tolerance": 0.5, "size_tolerance_of": lambda _: 1.0}
    assert verdicts(whole(size), **own)[0].keys() == {INT8}


def test_a_size_within_its_tolerance_is_not_told_and_a_smaller_one_is_good_news():
    assert verdicts(whole(6_560_000))[0].keys() == {INT8}
    found, notes = verdicts(whole(3_250_000))
    assert found.keys() == {INT8}
    assert f"{INT8}: size -50.00 %, 3.25 MB, and 6.5 MB before" in notes


def test_the_size_of_several_reports_is_their_median():
    bases = [whole(13_000_000), whole(), whole()]
    assert verdicts(whole(13_000_000), *bases)[0][f"{INT8} (size)"].state == "LARGER"
    assert verdicts(whole(), *bases)[0].keys() == {INT8}


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("peak_memory_bytes", "peak memory", 750_000_000),
        ("cuda_peak_bytes", "GPU memory", 1_200_000_000),
        ("load_seconds", "load time", 3.0),
    ],
)
def test_memory_and_load_time_beyond_their_spread(field, name, value):
    base = whole(cuda_peak_bytes=1_000_000_000)
    found, notes = verdicts(whole(**{"cuda_peak_bytes": 1_000_000_000, field: value}), base)
    assert found.keys() == {INT8, f"{INT8} ({name})"}
    assert found[f"{INT8} ({name})"].state == "LARGER"
    assert (
        "chance is ruled out at 1 % for all 4 tests together" in found[f"{INT8} ({name})"].sentence
    )
    assert f"{name} of 1 case (" in notes
    found, notes = verdicts(base, whole(**{"cuda_peak_bytes": 1_000_000_000, field: value}))
    assert found.keys() == {INT8}
    assert f"{INT8}: {name} -" in notes


@pytest.mark.parametrize(
    "figures", [{"peak_memory_bytes": 650_000_000}, {"load_seconds": 0.6}, {"cuda_peak_bytes": 7}]
)
def test_what_the_spread_explains_is_not_larger(figures):
    assert verdicts(whole(**figures))[0].keys() == {INT8}


def test_a_history_says_itself_how_far_it_wanders():
    def bases(spread, count):
        steps = [index - (count - 1) / 2 for index in range(count)]
        return [whole(peak_memory_bytes=round(6e8 * (1 + spread * step))) for step in steps]

    name = f"{INT8} (peak memory)"
    head = whole(peak_memory_bytes=750_000_000)
    assert name in verdicts(head, *bases(0.002, 5))[0]
    assert name not in verdicts(head, *bases(0.05, 5))[0]
    # Ten reports that lie close together see what five cannot, and never all.
    head = whole(peak_memory_bytes=630_000_000)
    assert name not in verdicts(head, *bases(0.0001, 5))[0]
    assert name in verdicts(head, *bases(0.0001, 10))[0]
    assert name not in verdicts(whole(peak_memory_bytes=607_000_000), *bases(0.0001, 10))[0]


def test_footprints_alone_are_compared_too_and_what_one_side_lacks_is_told():
    only = run(foot())
    found, _ = verdicts(only, only)
    assert {case: each.state for case, each in found.items()} == {f"{INT8} (size)": "SAME"}
    _, notes = verdicts(run(timed(FP32, 1.0), timed()))
    assert f"the baseline has footprints that this report lacks: {INT8}" in notes
    _, notes = verdicts(whole(), run(timed(FP32, 1.0), timed()))
    assert f"this report has footprints that the baseline lacks: {INT8}" in notes
    empty = verdicts(whole(0))[0][f"{INT8} (size)"]
    assert (empty.state, "no artifact is empty" in empty.sentence) == ("INCOMPARABLE", True)


def test_the_gate_fails_and_says_so_everywhere(reports_here, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    reports_here(base=whole(), head=whole(13_000_000))
    outputs = [f"--{form}={form}" for form in ("markdown", "junit", "json")]
    assert main(["gate", "head.json", "--baseline=base.json", *outputs]) == 1
    assert f"::error title=LARGER%3A {INT8} (size)::size +100.00 %25" in capsys.readouterr().out
    for form in ("markdown", "junit", "json"):
        assert "LARGER" in (tmp_path / form).read_text()
    assert 'failures="1"' in (tmp_path / "junit").read_text()
    assert main(["gate", "head.json", "--baseline=base.json", "--size-tolerance=0.5"]) == 1
    (tmp_path / "own.toml").write_text(
        '[tool.vitbench.contracts]\n"*/int8-dynamic/*" = ["size_tolerance = 100 %"]\n'
    )
    assert main(["gate", "head.json", "--baseline=base.json", "--contracts=own.toml"]) == 0


@pytest.mark.parametrize("reports", [1, pytest.param(10, marks=pytest.mark.thorough)])
def test_unchanged_suites_with_footprints_fail_at_most_one_in_a_hundred(reports):
    """1000 null gates: six times, and memory and load time of each, as far apart as assumed."""
    draw = np.random.default_rng(20260103)
    failed = 0
    for _ in range(1000):
        changes = {}
        for case, (ours, *theirs) in enumerate(draw.normal(0, PROCESS_SPREAD, (6, 1 + reports))):
            timings = [Timing(each, 0.0, CERTAIN) for each in theirs]
            changes[case, "time"] = change(Timing(ours, 0.0, CERTAIN), timings, PROCESS_SPREAD)
        for figure in (FIGURE_BY_NAME["peak memory"], FIGURE_BY_NAME["load time"]):
            drawn = np.exp(draw.normal(0, figure.process_spread, (6, 1 + reports)))
            for case, (ours, *theirs) in enumerate(drawn.tolist()):
                changes[case, figure.name] = figure.change(ours, theirs)
        failed += "SLOWER" in judge_changes(changes, dict.fromkeys(changes, 0.01)).values()
    # 1 % of 1000 is 10; three standard deviations above it.
    assert failed <= 19
