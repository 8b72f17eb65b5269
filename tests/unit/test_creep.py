"""What gets slower a little every night is caught by an anchor that does not move."""

import json

import pytest

from tests.unit.test_gate import FP32, INT8, run, timed
from vitbench.cli.main import main


def night(day, speedup, **changes):
    month, of_month = divmod(day, 28)
    when = f"2026-{month + 1:02d}-{of_month + 1:02d}T03:00:00+00:00"
    return run(timed(FP32, 1.0), timed(speedup=speedup, error=0.002), when=when, **changes)


@pytest.fixture
def gate(tmp_path, monkeypatch, capsys):
    """Gates a night against the nights before it, which lie in the history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    history = tmp_path / "reports/history"
    history.mkdir(parents=True)

    def gate(nights, baseline="median:10", *options):
        for number, each in enumerate(nights):
            (history / f"{number:03d}.json").write_text(json.dumps(each))
        head = history / f"{len(nights) - 1:03d}.json"
        code = main(["gate", str(head), f"--baseline={baseline}", "--json=out.json", *options])
        told = json.loads((tmp_path / "out.json").read_text())["verdicts"]
        return code, {each["case"]: each for each in told}[INT8], capsys.readouterr().out, head

    return gate


def crept(nights, share=0.01, flat=10):
    return [night(day, 2.0 / (1 + share) ** max(0, day - flat + 1)) for day in range(nights)]


@pytest.mark.parametrize("baseline", ["median:10", "latest"])
def test_creep_is_slower_than_the_first_reports(gate, baseline):
    code, verdict, out, _ = gate(crept(40), baseline)
    assert (code, verdict["state"]) == (1, "SLOWER")
    assert (
        "against the first 10 reports, since 2026-01-01; against the newest runs the time is +"
        in out
    )
    assert verdict["figures"]["anchor"]["change"] == pytest.approx(1.01**30 - 1)


def test_a_flat_history_and_a_little_creep_pass(gate):
    assert gate(crept(40, share=0.0))[0] == 0
    code, verdict, *_ = gate(crept(40, share=0.002))
    assert (code, verdict["state"]) == (0, "SAME")


def test_beyond_the_tolerance_of_the_anchor_nothing_is_same(gate):
    """10.4 % where 10 % is the tolerance, and too little to be sure of."""
    nights = crept(40, share=0.0033)
    code, verdict, *_ = gate(nights, "median:10", "--tolerance=0.10", "--process-spread=0.033")
    assert (code, verdict["state"]) == (3, "INCONCLUSIVE")
    assert "within the tolerance of 10 %, but against the first 10 reports" in verdict["sentence"]
    code, verdict, *_ = gate(nights, "median:10", "--tolerance=0.12", "--process-spread=0.033")
    assert (code, verdict["state"]) == (0, "SAME")


def test_accept_begins_anew(gate, capsys):
    nights = crept(40)
    head = gate(nights)[3]
    assert main(["accept", str(head), "--selected"]) == 0
    capsys.readouterr()
    code, verdict, *_ = gate([*nights, night(40, 2.0 / 1.01**30)])
    assert (code, verdict["state"]) == (0, "SAME")
    assert verdict["figures"]["anchor"]["of"] == "the accepted report of 2026-02-12"
    # And what creeps on from there is held against that.
    on = [night(day, 2.0 / 1.01 ** (day - 10)) for day in range(40, 75)]
    code, verdict, out, _ = gate([*nights, *on])
    assert (code, verdict["state"]) == (1, "SLOWER")
    assert "against the accepted report of 2026-02-12" in out


def test_where_the_accepted_report_lacks_the_case_the_first_ones_after_it_count(gate, tmp_path):
    accepted = run(timed(FP32, 1.0), when="2026-01-06T03:00:00+00:00", selected=["-k fp32"])
    (tmp_path / "fp32.json").write_text(json.dumps(accepted))
    assert main(["accept", "fp32.json", "--selected"]) == 0
    _, verdict, *_ = gate(crept(40))
    assert verdict["figures"]["anchor"]["of"] == "the first 10 reports, since 2026-01-07"


def test_the_newest_ones_alone_are_no_anchor(gate):
    """The first ten are those of the median still; three older ones are the least."""
    assert "anchor" not in gate(crept(13, 0.0))[1]["figures"]
    _, verdict, *_ = gate(crept(14, 0.0))
    assert verdict["figures"]["anchor"]["of"] == "the first 3 reports, since 2026-01-01"


def test_a_damaged_accepted_baseline_is_named_and_the_rest_is_judged(gate, tmp_path):
    (tmp_path / "reports/baselines").mkdir()
    (tmp_path / "reports/baselines/0123456789abcdef.json").write_text("{")
    code, verdict, *_ = gate(crept(40))
    assert (code, verdict["state"]) == (4, "SLOWER")
