"""A gate that compared nothing says so in every output, and is green only as long as was agreed."""

import json
from xml.etree import ElementTree

import pytest

from tests.helpers.reports import TINY, benchmark_of
from tests.unit.test_gate import FP32, INT8, MACHINE, baseline, run, timed
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.judge.settings import read_settings

ELSEWHERE = {"cpu": {"model": "Xeon", "isa": []}, "fingerprint": "e" * 16}
HEAD = "2026-06-20T03:00:00+00:00"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (tmp_path / "reports/history").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def gate(folder, capsys):
    """Runs a gate over the history; its exit code, what it prints, and the files it writes."""

    def gate(report, *options, old=(), since=None):
        for number, each in enumerate(old):
            (folder / f"reports/history/{number}.json").write_text(json.dumps(each))
        if since:
            (folder / "pyproject.toml").write_text(f'[tool.vitbench]\nhistory_since = "{since}"\n')
        (folder / "head.json").write_text(json.dumps(report))
        names = [f"--{form}=out.{form}" for form in ("markdown", "junit", "json")]
        options = options or ("--baseline=median:10",)
        code = main(["gate", "head.json", *names, *options])
        out = capsys.readouterr().out
        (suite,) = ElementTree.fromstring((folder / "out.junit").read_text())
        found = json.loads((folder / "out.json").read_text())
        return code, out, (folder / "out.markdown").read_text(), suite, found["uncompared"]

    return gate


def nights(days, machine=None, **changes):
    """Reports of so many days before the head's, the oldest first."""
    return [
        run(timed(FP32, 1.0), timed(), machine=machine, when=f"2026-{5 + (31 - d + 20 > 31):02d}-"
            f"{(31 - d + 20 - 1) % 31 + 1:02d}T03:00:00+00:00", **changes)
        for d in days
    ]  # fmt: skip


def head(speedup=2.0, **changes):
    return run(timed(FP32, 1.0), timed(speedup=speedup), **{"when": HEAD, **changes})


@pytest.mark.parametrize(
    ("since", "code"), [(None, 2), ("2026-06-20", 2), ("2026-06-21", 0), ("2026-12-01", 0)]
)
def test_an_empty_history_is_a_warning_until_the_day_that_was_agreed(gate, since, code):
    found, out, page, suite, told = gate(head(2 / 3), since=since)
    assert found == code
    fails = code == 2
    assert "has nothing to be compared with: reports/history has no other report\n" in out
    first = (
        "this is the first one, with which later reports are compared; that is an error, because"
    )
    said = f"nothing was compared: 2 NEW; reports/history has no other report: {first}"
    assert (said in out) is fails
    assert ('history_since = "2026-07-04"' in out) is (since is None)  # two weeks later
    assert f"::{'error' if fails else 'warning'} title=nothing was compared::" in out
    assert "\n**nothing was compared**: " in page
    assert suite.get("tests") == "3"
    (case,) = [each for each in suite if each.get("name") == "something was compared"]
    assert [each.tag for each in case] == ["failure" if fails else "skipped"]
    assert told["fails"] is fails
    assert ("history_since" in out) is (since != "2026-06-20")


@pytest.mark.parametrize(
    ("days", "options", "code", "words"),
    [
        ([1, 2], (), 0, "the newest report that could be compared is 1.0 days older"),
        ([14, 20], (), 0, "14.0 days older, a warning up to 14"),
        ([15, 20], (), 2, "15.0 days older, which is more than 14"),
        ([15, 20], ("--uncompared-days=20",), 0, "a warning up to 20"),
        ([3, 4], ("--uncompared-days=2",), 2, "which is more than 2"),
        # Reports that never could be compared with each other: since the oldest of them.
        ([13], (), 0, "the oldest report is 13.0 days older"),
        ([16], (), 2, "the oldest report is 16.0 days older"),
    ],
)
def test_a_history_without_this_machine_is_a_warning_for_two_weeks(
    gate, days, options, code, words
):
    old = nights(days, ELSEWHERE)
    found, out, page, suite, told = gate(head(), "--baseline=latest", *options, old=old)
    assert found == code
    assert f"{len(days)} of them older than this report, and 0 of those of this machine" in out
    assert "head.json has nothing to be compared with: reports/history has" in out
    assert "the baseline does not have this case" not in out
    assert "the newest older report differs: " in told["sentence"]
    assert "cpu Xeon () -> EPYC" in told["sentence"]
    assert words in out
    assert words in told["sentence"]
    assert words in page
    assert suite.get("failures") == ("1" if code else "0")


def test_a_warning_until_the_day_whatever_the_history_holds(gate):
    assert gate(head(), old=nights([20], ELSEWHERE), since="2026-12-01")[0] == 0


def test_new_cases_alone_are_nothing_compared(gate):
    new = run(timed(f"{TINY}/lite-int8/cpu/b1"), when=HEAD, selected=["-k lite"])
    code, out, _, suite, told = gate(new, old=nights([1, 2]))
    assert (code, told["fails"]) == (0, False)
    assert "nothing was compared: 1 NEW; " in out
    assert suite.get("tests") == "2"


def test_a_report_without_a_timed_case_fails_whatever_the_history_says(gate):
    nothing = run(when=HEAD, unavailable={INT8: "no engine"}, selected=["-k int8"])
    for since in (None, "2026-12-01"):
        code, out, *_, told = gate(nothing, "--baseline=latest", "--inconclusive=pass",
                                   old=nights([1, 2]), since=since)  # fmt: skip
        assert (code, told["fails"]) == (2, True)
    assert "this report has nothing that could be compared" in out


def test_footprints_alone_begin_a_history_too(gate):
    duet = run(benchmark_of(INT8), when=HEAD)
    duet["benchmarks"][0]["group"] = "duet"
    duet["benchmarks"][0]["extra_info"] |= {"verdict": {}, "blocks": []}
    assert gate(duet, since="2026-12-01")[0] == 2
    foot = run(benchmark_of(INT8, "footprint"), when=HEAD)
    assert gate(foot, since="2026-12-01")[0] == 0
    before = run(benchmark_of(INT8, "footprint"), when="2026-06-19T03:00:00+00:00")
    assert gate(foot, old=[before])[0] == 0


def test_the_reference_alone_is_no_comparison(gate):
    assert gate(run(timed(FP32, 1.0), when=HEAD, selected=["-k fp32"]), old=nights([1]))[0] == 2


def test_a_single_round_is_no_comparison(gate):
    one = head()
    one["benchmarks"][1]["extra_info"]["ratio"]["standard_error"] = None
    one["benchmarks"][1]["stats"]["data"] = [0.05]
    one["benchmarks"][1]["extra_info"]["reference"]["rounds"] = [0.05]
    code, out, *_ = gate(one, "--baseline=latest", "--inconclusive=pass", old=nights([1]))
    assert "nothing was compared: 1 INCONCLUSIVE" in out
    assert code == 2


def test_a_report_is_not_held_against_itself(gate, folder):
    copy = folder / "copy.json"
    copy.write_text(json.dumps(head()))
    code, out, *_ = gate(head(), "--baseline=copy.json")
    assert code == 2
    assert "against copy.json, which is this very report" in out
    assert main(["accept", "head.json"]) == 0
    assert gate(head(), "--baseline=accepted")[0] == 2
    assert gate(head(when="2026-06-21T03:00:00+00:00"), "--baseline=accepted")[0] == 0
    assert gate(head(1.0, when="2026-06-21T03:00:00+00:00"), "--baseline=accepted")[0] == 1


def test_something_that_was_compared_is_all_that_was_asked(gate):
    code, out, page, suite, told = gate(head(), old=nights([1, 2]))
    assert (code, told) == (0, None)
    assert "nothing was compared" not in out + page + ElementTree.tostring(suite, "unicode")
    assert gate(head(2 / 3))[0] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[tool.vitbench]\nhistory_since = "soon"', r"x.toml:2: history_since is 'soon': give a"),
        ("[tool.vitbench]\nhistory_since = 20261201", r"x.toml:2: history_since is 20261201"),
        ("[tool]\nvitbench = 3", "x.toml: vitbench should be a table"),
        ("[tool", "x.toml: not a TOML file"),
    ],
)
def test_settings_that_cannot_be_meant(folder, text, words):
    (folder / "x.toml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_settings(folder / "x.toml")


@pytest.mark.parametrize("day", ['"2026-12-01"', "2026-12-01", "2026-12-01T10:00:00Z"])
def test_a_day_as_toml_writes_it(folder, day):
    (folder / "x.toml").write_text(f"[tool.vitbench]\nhistory_since = {day}\n")
    assert str(read_settings(folder / "x.toml").history_since) == "2026-12-01"
    assert read_settings(folder / "none.toml").history_since is None


@pytest.mark.parametrize("option", ["--baseline=accepted", "--baseline=none.json"])
def test_a_baseline_that_is_not_there_is_told_in_every_output(gate, option):
    """Exit code 4 as for any bad input; an output of the run before is not left as it was."""
    code, out, page, suite, told = gate(head(), option)
    assert code == 4
    assert "::error title=nothing was compared::" in out
    assert "\n**nothing was compared**: " in page
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert told["fails"] is True


def test_a_selected_report_says_how_many_cases_are_not_judged(gate):
    chosen = run(timed(), when=HEAD, selected=["-k int8-dynamic"])
    code, out, *_ = gate(chosen, old=nights([1, 2]))
    assert code == 0
    assert (
        "note: this report has only the cases that `-k int8-dynamic` selected: 1 other case of the "
        "newest whole" in out
    )
    assert "selected by" not in gate(head())[1]


OTHER = "deit_base_patch16_224"


def two(speedup=2.0, **changes):
    rows = [timed(FP32, 1.0), timed(speedup=speedup), timed(f"{OTHER}/int8-dynamic/cpu/b1")]
    machine = {"weights": {TINY: "aa", OTHER: "bb"}, "fingerprint": "d" * 16}
    return run(*rows, models=(TINY, OTHER), machine=machine, when=HEAD, **changes)


def test_a_baseline_for_each_class_and_an_older_one_is_still_found(
    gate, folder, capsys, monkeypatch
):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))  # a checkout may ignore it
    accepted = folder / "reports/baselines"
    # Accepted by an older vitbench: one file by the fingerprint of all models.
    accepted.mkdir()
    (accepted / f"{MACHINE['fingerprint']}.json").write_text(json.dumps(baseline()))
    code, out, *_ = gate(two(1.0), "--baseline=accepted")
    assert code == 1
    assert "1 SLOWER, 1 NEW" in out
    (folder / "two.json").write_text(json.dumps(two() | {"datetime": "2026-03-01"}))
    assert main(["accept", "two.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "in 0123456789abcdef.json, which is no longer used for this model" in lines[0]
    assert len(list(accepted.iterdir())) == 3
    code, out, *_ = gate(two(), "--baseline=accepted")
    assert (code, "2 SAME" in out) == (0, True)
    assert gate(head(1.0), "--baseline=accepted")[0] == 1


def test_a_report_of_selected_cases_is_accepted_only_on_demand(folder, capsys):
    chosen = run(timed(), when=HEAD, selected=["-k int8-dynamic"])
    (folder / "head.json").write_text(json.dumps(chosen))
    assert main(["accept", "head.json"]) == 4
    assert (
        "it has only the cases that `-k int8-dynamic` selected; give --selected"
        in capsys.readouterr().err
    )
    assert main(["accept", "head.json", "--selected"]) == 0
    # A report that does not say is taken, unless it lacks what the baseline has.
    (folder / "old.json").write_text(json.dumps(baseline()))
    assert main(["accept", "old.json"]) == 0
    (folder / "fewer.json").write_text(json.dumps(run(timed(), when=HEAD)))
    assert main(["accept", "fewer.json"]) == 4
    assert f"has 1 more ({FP32}); give --selected" in capsys.readouterr().err
    (folder / "whole.json").write_text(json.dumps(run(timed(), when=HEAD, selected=[])))
    assert main(["accept", "whole.json"]) == 0
