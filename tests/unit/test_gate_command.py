"""`vitbench gate` and `vitbench accept`, as CI runs them."""

import json
import os
from pathlib import Path

import pytest

from tests.unit.test_gate import FP32, INT8, baseline, run, timed
from vitbench.cli.main import main
from vitbench.report import files

H = "reports/history/1.json"
DAMAGED = '{"benchmarks": ['
SLOW = run(timed(FP32, 1.0), timed(speedup=1.5), when="2026-02-01T00:00:00+00:00")
SAME = baseline() | {"datetime": "2026-02-01T00:00:00+00:00"}
UNTOLD = run(timed(FP32, 1.0), timed(speedup=1.85), when="2026-02-01T00:00:00+00:00")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with a history of one report, and head.json beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    put("reports/history/1.json", baseline())
    return tmp_path


def put(name, report):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report if isinstance(report, str) else json.dumps(report))
    return name


def gate(report, *options):
    return main(["gate", put("head.json", report), *options])


def test_exit_codes(capsys):
    assert gate(SAME, "--baseline=latest") == 0
    assert "1 case: 1 SAME" in capsys.readouterr().out
    assert gate(SLOW, "--baseline=latest") == 1
    assert gate(SLOW, "--baseline=latest", "--tolerance=0.5") == 0
    assert gate(UNTOLD, "--baseline=latest", "--tolerance=0.1") == 3
    assert gate(UNTOLD, "--baseline=latest", "--tolerance=0.1", "--inconclusive=pass") == 0
    assert gate(UNTOLD, "--baseline=latest", "--tolerance=0.1", "--process-spread=0.001") == 0
    assert gate(run(timed(), machine={"fingerprint": "f" * 16}), "--baseline=latest") == 2
    assert "0 of those of this machine" in capsys.readouterr().out
    assert gate(run(timed(), machine={"fingerprint": "f" * 16}), f"--baseline={H}") == 2
    assert gate(run(timed(FP32, 1.0)), f"--baseline={H}") == 3  # int8 is missing
    assert gate(DAMAGED, "--baseline=latest") == 4
    nothing = run(timed()) | {"benchmarks": []}
    assert gate(nothing, f"--baseline={H}") == 3
    assert gate(nothing, f"--baseline={H}", "--inconclusive=pass") == 2  # it has seen nothing


def test_a_duets_report_is_no_baseline(capsys):
    duet = run(timed(FP32, 1.0, group="duet"), when="2026-01-15T00:00:00+00:00")
    duet["benchmarks"][0]["extra_info"] |= {"verdict": {}, "blocks": []}
    put("reports/history/2.json", duet)
    assert gate(SAME, "--baseline=latest") == 0
    assert "1 case: 1 SAME" in capsys.readouterr().out


def test_tolerances_alone_are_no_contract_and_the_baseline_still_counts():
    put("some.toml", '[tool.vitbench.contracts]\n"*/int8-dynamic/*" = ["tolerance = 50 %"]\n')
    put("reports/baselines/0123456789abcdef.json", baseline())
    assert gate(SLOW, "--contracts=some.toml") == 0
    put("some.toml", '[tool.vitbench.contracts]\n"*/int8-dynamic/*" = ["tolerance = 20 %"]\n')
    assert gate(SLOW, "--contracts=some.toml") == 1


def test_a_damaged_history_is_named_and_the_others_still_judged(capsys):
    put("reports/history/0.json", DAMAGED)
    put("reports/history/2.json", run(timed()) | {"datetime": "yesterday"})
    put("reports/history/3.json", "[]")
    put("reports/history/4.json", run(timed(), when="2026-01-02") | {"benchmarks": 3})
    assert gate(SLOW, "--baseline=latest") == 4
    out, err = capsys.readouterr()
    assert "1 SLOWER" in out
    for name in (
        "0.json: not a report, or",
        "2.json: it has no `datetime`",
        "3.json",
        "4.json: not a",
    ):
        assert name in err


def test_the_newest_complete_older_report_of_this_machine(capsys):
    slow = {"speedup": 1.0}
    put("reports/history/2.json", run(timed(**slow), when="2026-01-05", complete=False))
    put(
        "reports/history/3.json",
        run(timed(**slow), when="2026-01-05", machine={"fingerprint": "f" * 16}),
    )
    put("reports/history/4.json", run(timed(**slow), when="2026-03-01"))
    assert gate(SAME, "--baseline=latest") == 0
    put("reports/history/5.json", run(timed(FP32, 1.0), timed(speedup=2.8), when="2026-01-06"))
    assert gate(SAME, "--baseline=latest") == 1
    put("reports/history/6.json", run(timed(FP32, 1.0), timed(speedup=2.0), when="2026-01-04"))
    assert gate(SAME, "--baseline=median:3") == 3
    assert "against the median of 3 reports" in capsys.readouterr().out
    # A report never stands against itself.
    assert main(["gate", H, "--baseline=latest"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "no baseline is accepted for this machine and these weights: accept one with"),
        (["--baseline=median:0"], "--baseline=median:0: give a number of reports"),
        (["--baseline=none.json"], "--baseline=none.json: no such file: give a report, accepted, "),
        (["--baseline=latest", "--history=none"], "--history=none: cannot list it"),
        (["--contracts=none.toml"], "none.toml: cannot read the contracts"),
        (["--baseline=."], ".: it is a folder: name one report in it"),
        (["--contracts=empty.toml"], "empty.toml: it has no [tool.vitbench.contracts]: write"),
    ],
)
def test_bad_input_is_one_sentence(options, words, capsys):
    put("empty.toml", "")
    assert gate(SAME, *options) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize("option", ["--tolerance=2", "--process-spread=x", "--inconclusive=maybe"])
def test_bad_options(option):
    with pytest.raises(SystemExit) as stopped:
        gate(SAME, option)
    assert stopped.value.code == 4


def test_outputs_and_annotations(folder, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    names = [f"--{form}=out/{form}" for form in ("markdown", "junit", "json")]
    assert gate(SLOW, "--baseline=latest", *names) == 1
    assert f"::error title=SLOWER%3A {INT8}::time +33.3 %25" in capsys.readouterr().out
    page = (folder / "out/markdown").read_text()
    assert "| **SLOWER** |" in page
    first = page.splitlines()[0]
    assert first.startswith("**FAILED: head.json compared with the newest of "), first
    assert first.endswith("(1 case: 1 SLOWER; tolerance 15.0%)"), first
    assert 'failures="1"' in (folder / "out/junit").read_text()
    assert json.loads((folder / "out/json").read_text())["counts"] == {"SLOWER": 1}
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["json", "junit", "markdown"]


def test_a_full_disk_is_a_sentence_after_the_verdicts(folder, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    assert gate(SLOW, "--baseline=latest", "--json=out.json") == 4
    out, err = capsys.readouterr()
    assert "1 SLOWER" in out
    assert err == "vitbench: error: out.json: cannot write it: No space left on device\n"
    assert not list(folder.glob("*.partial"))


def test_accept_and_what_it_replaces(capsys):
    put("head.json", SAME)
    assert main(["accept", H]) == 0
    assert "replacing" not in capsys.readouterr().out
    assert main(["gate", "head.json"]) == 0
    assert main(["accept", "head.json"]) == 0
    told = capsys.readouterr().out
    assert "replacing the report of 2026-01-01T00:00:00+00:00, commit abc, torch 2.12.1" in told
    assert gate(SLOW, "--baseline=accepted") == 1
    put("reports/baselines/0123456789abcdef.json", DAMAGED)
    assert main(["gate", "head.json"]) == 4
    assert main(["accept", "head.json"]) == 0
    assert "replacing a damaged file" in capsys.readouterr().out
    assert os.listdir("reports/baselines") == ["0123456789abcdef.json"]


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (run(timed(), complete=False), "incomplete"),
        (run(timed(), failed={FP32: "no"}), f"these cases failed: {FP32}"),
        (run(timed(state="BROKEN")), f"these cases failed: {INT8}"),
        (run(), "no timed case"),
        (run(timed(), machine={"fingerprint": "../../x"}), "no fingerprint"),
        ({"benchmarks": []}, "no fingerprint"),
        (DAMAGED, "not JSON"),
    ],
)
def test_what_is_not_accepted(report, words, folder, capsys):
    assert main(["accept", put("head.json", report)]) == 4
    assert words in capsys.readouterr().err
    assert not (folder / "reports/baselines").exists()


def test_contracts_alone_and_with_a_baseline(capsys):
    put("pyproject.toml", '[tool.vitbench.contracts]\n"*int8*" = ["speedup >= 1.8"]\n')
    assert gate(SAME, "--contracts") == 0
    assert capsys.readouterr().out.endswith("1 contract: 1 KEPT\n")
    assert gate(SLOW, "--contracts") == 1
    put("pyproject.toml", '[tool.vitbench.contracts]\n"*int8*" = ["speedup >= 1.99"]\n')
    assert gate(SAME, "--contracts") == 3
    assert "with --inconclusive=pass they do not" in capsys.readouterr().out
    assert gate(SAME, "--contracts", "--inconclusive=pass") == 0
    assert "with --inconclusive=pass" not in capsys.readouterr().out
    put("pyproject.toml", '[tool.vitbench.contracts]\n"*int8*" = ["tolerance = 50 %"]\n')
    assert gate(SLOW, "--contracts", "--baseline=latest") == 0
    put("pyproject.toml", '[tool.vitbench.contracts]\n"*int4*" = ["tolerance = 50 %"]\n')
    assert gate(SLOW, "--contracts", "--baseline=latest") == 4
    assert "pyproject.toml:2: '*int4*' matches no variant" in capsys.readouterr().err
    put("pyproject.toml", '[tool.vitbench.contracts]\n"*/fp16/*" = ["speedup >= 2"]\n')
    assert gate(SAME, "--contracts", "--junit=out.xml") == 1
    out = capsys.readouterr().out
    assert "not for this machine" in out
    assert out.endswith("1 contract: 1 UNJUDGED\n")  # What is said of all of them is none of them.
    assert "none of 1 contract was judged" in Path("out.xml").read_text()
    put("pyproject.toml", "")
    assert gate(SLOW, "--contracts") == 4
