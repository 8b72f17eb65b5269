"""What a gate says of odd input: of a bad file in every output, and no figure that rests on
nothing."""

import json

import pytest

from tests.unit.test_gate import FP32, run, timed
from tests.unit.test_hardware import EPYC, info, plain
from tests.unit.test_uncompared import HEAD, folder, gate, head, nights  # noqa: F401 - fixtures
from vitbench.cli.main import main


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("head.json", '{"benchmarks": [', ("--baseline=latest",)),
        ("pyproject.toml", '[tool.vitbench]\nhistory_since = "soon"\n', ("--baseline=latest",)),
        ("pyproject.toml", "[tool.vitbench]\nhistory_sinse = 1\n", ("--baseline=latest",)),
        ("pyproject.toml", "[tool.vitbench\n", ("--contracts",)),
        (
            "pyproject.toml",
            '[tool.vitbench.contracts]\n"*/int8-dynamc/*" = ["size <= 1 MB"]\n',
            ("--contracts",),
        ),
        ("x", "", ("--baseline=latest", "--rename=a=b")),
        (
            "pyproject.toml",
            '[tool.vitbench.contracts]\n"*/int8-dynamic/*" = ["size <= 30 MB"]\n',
            ("--contracts", "--baseline="),
        ),
    ],
)
def test_bad_input_leaves_no_output_as_it_was(folder, capsys, name, text, options):  # noqa: F811
    (folder / "head.json").write_text(json.dumps(head()))
    (folder / name).write_text(text)
    (folder / "out.xml").write_text("that of last night")
    command = ["gate", "head.json", *options, "--junit=out.xml", "--markdown=out.md"]
    assert main(command) == 4
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("vitbench: error: ")
    assert 'failures="1"' in (folder / "out.xml").read_text()
    assert (folder / "out.md").read_text().startswith("**BAD INPUT: head.json not compared** (")
    assert out.count("::error title=nothing was compared::") == 1


def test_a_plain_report_is_not_held_against_itself(gate, folder):  # noqa: F811
    one = plain(info(EPYC))
    code, out, *_ = gate(one, "--baseline=./head.json", "--inconclusive=pass")
    assert code == 2
    assert "head.json, which is this very report" in out
    (folder / "copy.json").write_text(json.dumps(one))
    assert gate(one, "--baseline=copy.json")[0] == 3


def test_a_history_is_empty_only_where_no_other_report_is_in_it(gate, folder):  # noqa: F811
    assert "reports/history has no other report: this is the first one" in gate(head())[1]
    (folder / "reports/history/._head.json").write_text("what macOS puts beside a file")
    code, out, *_ = gate(head())
    assert (code, "this is the first one" in out) == (2, True)
    later = run(timed(FP32, 1.0), when="2026-07-01T00:00:00+00:00")
    code, out, *_ = gate(head(), old=[later])
    assert (code, "this is the first one" in out) == (2, False)
    assert "reports/history has 1 report, 0 of them older than this report" in out
    assert "it has no readable report that is older than this one" in out


def test_a_selected_report_counts_others_only_by_a_whole_one(gate):  # noqa: F811
    chosen = {"selected": ["-k int8-dynamic"]}
    old = [run(timed(), when=f"2026-06-0{day}T00:00:00+00:00", **chosen) for day in range(1, 4)]
    code, out, *_ = gate(run(timed(), when=HEAD, **chosen), old=old)
    assert code == 0
    assert (
        "note: this report has only the cases that `-k int8-dynamic` selected: the other cases of "
        "the suite" in out
    )
    assert (
        "1 other case of the newest whole"
        in gate(run(timed(), when=HEAD, **chosen), old=nights([1]))[1]
    )


def test_one_is_not_many(gate):  # noqa: F811
    out = gate(head(1.0), old=nights([1]))[1]
    assert "against the median of 1 report\n" in out
    assert "chance is ruled out at 1 % for its only test" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--baseline=latest", "--history=reports/history/", "--uncompared-days=3"], ""),
        (["--baseline=old.json", "--history=x"], "--history has no effect: --baseline=old"),
        (
            ["--baseline=old.json", "--uncompared-days=3", "--baselines=x"],
            "--uncompared-days and --baselines have no effect: --baseline=old.json does not use",
        ),
        (["--contracts", "--history=x"], "--history has no effect: the gate compares with no"),
    ],
)
def test_an_option_that_is_not_used_is_told(gate, folder, options, words):  # noqa: F811
    (folder / "old.json").write_text(json.dumps(nights([1])[0]))
    (folder / "pyproject.toml").write_text(
        '[tool.vitbench.contracts]\n"*/int8-dynamic/cpu/b1" = ["size <= 30 MB"]\n'
    )
    _, out, page, *_ = gate(head(), *options, old=nights([1]))
    notes = [line for line in out.splitlines() if "no effect: " in line]
    assert [line.startswith(f"note: {words}") for line in notes] == [True] * bool(words)
    assert ("no effect: " in page) == bool(words)


@pytest.mark.parametrize("options", [["--baseline=latest"], ["--baseline=old.json"]])
def test_an_old_name_that_no_earlier_report_has_is_told(gate, folder, options):  # noqa: F811
    (folder / "old.json").write_text(json.dumps(nights([1])[0]))
    rename = f"--rename=deit={FP32}"
    code, out, *_ = gate(head(), *options, rename, old=nights([1]))
    assert (code, f"{rename}: no earlier report has the old name" in out) == (0, True)
    rename = f"--rename={FP32}={FP32}"
    assert "no earlier report" not in gate(head(), *options, rename, old=nights([1]))[1]


def test_a_report_without_a_date_is_no_baseline(folder, capsys):  # noqa: F811
    (folder / "head.json").write_text(json.dumps(head() | {"datetime": "2026-13-01"}))
    assert main(["accept", "head.json"]) == 4
    assert "head.json: not accepted as a baseline: it has no `datetime`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "machine",
    [{"cpu": {"model": "X", "isa": True}}, {"weights": -1}, {"weights": None}, {"fingerprint": {}}],
)
def test_an_odd_machine_is_another_one(gate, machine):  # noqa: F811
    odd = run(timed(FP32, 1.0), timed(), machine=machine, when="2026-06-01T00:00:00+00:00")
    assert gate(head(), "--baseline=reports/history/0.json", old=[odd])[0] == 2
    assert gate(head(), "--baseline=latest")[0] == 2


@pytest.mark.parametrize(("day", "told"), [("01", True), ("19", False)])
def test_an_old_commit_that_is_measured_late_is_told(gate, day, told):  # noqa: F811
    (before,) = nights([1])
    before["commit_info"] |= {"time": "2026-06-18T00:00:00+00:00"}
    late = head(1.0)
    late["commit_info"] = {"id": "b" * 40, "time": f"2026-06-{day}T00:00:00+00:00"}
    code, out, *_ = gate(late, "--baseline=latest", old=[before])
    assert code == 1
    assert ("note: the commit of this report is older than the newest" in out) is told


def test_a_damaged_file_of_the_history_stands_in_the_outputs_too(gate, folder):  # noqa: F811
    (folder / "reports/history/x.json").write_text("{")
    code, _, page, *_ = gate(head(), old=nights([1]))
    assert (code, "x.json: not a report, or a damaged one" in page) == (4, True)
    notes = json.loads((folder / "out.json").read_text())["notes"]
    assert any("x.json: not a report" in note for note in notes)
