"""A model, case, test or file that has another name now is compared where somebody says so."""

import json

import pytest

from tests.helpers.reports import TINY
from tests.unit.test_gate import FP32, INT8, MACHINE, run, timed
from tests.unit.test_sound import plain
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.gate.rename import renamed, renames_of
from vitbench.report.machine import _digest, _recorded

HINT = f"if the model was renamed, as equal weights suggest, give --rename={TINY}=mine"
LATER = "2026-02-01T00:00:00+00:00"


def report(model=TINY, speedup=2.0, weights="aa", **changes):
    """A reference and a case of a model."""
    cases = [case.replace(TINY, model) for case in (FP32, INT8)]
    rows = timed(cases[0], 1.0), timed(cases[1], speedup)
    return run(*rows, models=(model,), machine={"weights": {model: weights}}, **changes)


def gate(reports_here, head, base, *options):
    reports_here(head=head, base=base)
    return main(["gate", "head.json", "--baseline=base.json", *options])


def test_a_model_of_equal_weights_and_another_name(reports_here, capsys):
    assert gate(reports_here, report("mine"), report()) == 2
    out = capsys.readouterr().out
    assert "NEW  mine/int8-dynamic/cpu/b1: the baseline does not have this case; " + HINT in out
    assert f"note: the baseline has models that this report lacks: {TINY}" in out
    assert gate(reports_here, report("mine"), report(), f"--rename={TINY}=mine") == 0
    assert "SAME  mine/int8-dynamic/cpu/b1" in capsys.readouterr().out
    assert gate(reports_here, report("mine", 1.0), report(), f"--rename={TINY}=mine") == 1


def test_other_weights_are_no_hint_and_no_rename(reports_here, capsys):
    assert gate(reports_here, report("mine", weights="bb"), report()) == 2
    assert "renamed" not in capsys.readouterr().out
    options = (f"--rename={TINY}=mine",)
    assert gate(reports_here, report("mine", weights="bb"), report(), *options) == 2
    assert "INCOMPARABLE" in (out := capsys.readouterr().out)
    assert "weights of mine" in out


@pytest.mark.parametrize("baseline", ["accepted", "latest", "median:3"])
def test_what_was_accepted_or_is_in_the_history(baseline, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    history = tmp_path / "reports" / "history"
    history.mkdir(parents=True)
    for path, each in (
        (history / "1.json", report()),
        (tmp_path / "head.json", report("mine", when=LATER)),
    ):
        found = each["machine_info"]["vitbench"]
        # As environment.describe makes it: the names of models are part of a fingerprint.
        found["fingerprint"] = _digest(_recorded(found, found["weights"]))
        path.write_text(json.dumps(each))
    assert main(["accept", "reports/history/1.json"]) == 0
    main(["gate", "head.json", f"--baseline={baseline}"])
    said = capsys.readouterr()
    assert "SAME" not in said.out
    assert f"if it was renamed, give --rename={TINY}=mine" in said.out + said.err
    assert main(["gate", "head.json", f"--baseline={baseline}", f"--rename={TINY}=mine"]) == 0
    assert "1 case: 1 SAME" in capsys.readouterr().out


def test_a_file_of_tests_that_moved(reports_here, capsys):
    base, head = plain(a=0.1, b=0.1), plain(a=0.3, b=0.1)
    for each in head["benchmarks"]:
        each["fullname"] = each["fullname"].replace("t.py", "speed/test_all.py")
    assert gate(reports_here, head, base) == 3
    out = capsys.readouterr().out
    assert out.count("if the test was moved, give --rename=t.py=speed/test_all.py") == 4
    assert gate(reports_here, head, base, "--rename=t.py=speed/test_all.py") == 1
    assert "SLOWER        speed/test_all.py::a" in capsys.readouterr().out


def test_a_single_test_that_moved_or_is_called_otherwise(reports_here, capsys):
    base, head = plain(**{"a[x=1]": 0.1, "b": 0.1}), plain(**{"a[x=1]": 0.3, "b": 0.1})
    head["benchmarks"][0]["fullname"] = "u.py::a[x=1]"
    assert gate(reports_here, head, base) == 3
    assert (
        "if the test was moved, give --rename=t.py::a[x=1]=u.py::a[x=1]" in capsys.readouterr().out
    )
    assert gate(reports_here, head, base, "--rename=t.py::a[x=1]=u.py::a[x=1]") == 1
    head["benchmarks"][0]["fullname"] = "t.py::other"
    assert gate(reports_here, head, base) == 3
    assert "moved" not in capsys.readouterr().out
    assert gate(reports_here, head, base, "--rename=t.py::a[x=1]=t.py::other") == 1


def test_a_whole_case(reports_here):
    new = f"{TINY}/scripted/cpu/b1"
    head = run(timed(FP32, 1.0), timed(new, 1.0))
    assert gate(reports_here, head, run(timed(FP32, 1.0), timed())) == 3
    assert gate(reports_here, head, run(timed(FP32, 1.0), timed()), f"--rename={INT8}={new}") == 1


def test_all_of_a_report_goes_by_the_new_name_and_a_name_that_is_there_stays():
    old = report(failed={f"{TINY}/x/cpu/b1": "no"}, unavailable={f"{TINY}/y/cpu/b1": "no"})
    assert TINY not in json.dumps(
        {k: v for k, v in renamed(old, {TINY: "mine"}).items() if k != "benchmarks"}
    )
    assert renamed(old, {TINY: "mine"})["benchmarks"][0]["extra_info"]["case"]["model"] == "mine"
    both = run(timed(INT8), timed("mine/int8-dynamic/cpu/b1"), machine=MACHINE)
    assert renamed(both, {TINY: "mine"}) == both


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["mine"], "--rename=mine: give OLD=NEW"),
        (["=mine"], "give OLD=NEW"),
        (["vit=typo"], "no model, case, test or file of tests 'typo'"),
        ([f"vit={TINY}", f"vit={INT8}"], "'vit' is renamed to"),
    ],
)
def test_a_rename_that_cannot_be(texts, words):
    with pytest.raises(UserError, match=words):
        renames_of(texts, report())
