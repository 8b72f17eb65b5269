"""A report of every schema ever written, from real runs, trimmed: every command reads it for ever.

`golden/schema-N.json` was written by a vitbench whose schema was N. `golden/schema-N.expected.json`
has the figures that an earlier reader found in it: by field in the unit of the table, by column of
a history, and the run. Both are never edited: where a test here fails, the reader is wrong.
"""

import json
import shutil

import pytest

from tests.conftest import ROOT
from tests.helpers.reports import TINY
from tests.unit.test_store import own_cache  # noqa: F401 - a fixture
from vitbench import environment
from vitbench.cli.main import main
from vitbench.history.store import COLUMN, load, load_files
from vitbench.report.fields import FIELD
from vitbench.report.reader import read_report, rows
from vitbench.report.schema import SCHEMA_VERSION
from vitbench.report.sound import left_out

GOLDEN = ROOT / "tests" / "golden"
EXAMPLE = ROOT / "reports" / "example"
SCHEMAS = range(1, SCHEMA_VERSION + 1)


@pytest.fixture(params=SCHEMAS)
def golden(request, tmp_path, monkeypatch):
    """A copy of the report of a schema, in a history of its own; and a later one of today."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "reports/history"
    place.mkdir(parents=True)
    shutil.copy(GOLDEN / f"schema-{request.param}.json", place / "old.json")
    later = json.loads((GOLDEN / f"schema-{SCHEMA_VERSION}.json").read_text())
    later["datetime"] = "2027-01-01T00:00:00+00:00"
    (place / "new.json").write_text(json.dumps(later))
    return "reports/history/old.json"


def test_a_report_says_which_schema_it_is_of_and_nothing_of_it_is_left_out():
    for schema in SCHEMAS:
        report = read_report(GOLDEN / f"schema-{schema}.json")
        assert report["vitbench"]["schema"] == schema
        assert left_out(report) == ()
        if schema >= 2:
            assert report["machine_info"]["vitbench"]["classes"].keys() == {TINY}
            assert report["vitbench"]["selected"]
            assert report["vitbench"]["models"][TINY]["images"]["pixels_sha256"]
        groups = {group for row in rows(report) for group in row.benchmarks}
        assert groups == {"latency", "throughput", "footprint"}


@pytest.fixture(params=SCHEMAS)
def expected(request):
    """The path of a report and what is in it."""
    path = GOLDEN / f"schema-{request.param}.json"
    return path, json.loads(path.with_suffix(".expected.json").read_text())


def close(value):
    if isinstance(value, dict):
        return {name: close(member) for name, member in value.items()}
    if isinstance(value, list):
        return [close(member) for member in value]
    return None if value is None else pytest.approx(value, rel=1e-12)


def test_the_figures_of_a_report_are_what_they_were(expected):
    path, frozen = expected
    found = {
        row.case.id: {
            name: [field.value(row.benchmarks), *field.interval(row.benchmarks)]
            for name, field in FIELD.items()
            if field.value(row.benchmarks) is not None and field.room is not None
        }
        for row in rows(read_report(path))
    }
    assert found == close(frozen["report"])


def test_the_figures_in_a_history_are_what_they_were(expected):
    path, frozen = expected
    history = load_files([path])
    (run,) = history.runs
    for name, value in frozen["run"].items():
        assert getattr(run, name) == value, name
    case = history.column("case").astype(int).tolist()
    assert [history.cases[index] for index in case] == list(frozen["history"])
    for figures, row in zip(frozen["history"].values(), history.figures, strict=True):
        assert {name: row[COLUMN[name]] for name in figures} == close(figures)


def test_every_command_reads_it(golden, capsys):
    assert main(["show", golden]) == 0
    assert "scripted/cpu/b" in capsys.readouterr().out
    assert main(["best", golden]) == 0
    assert "best: " in capsys.readouterr().out
    assert main(["compare", golden, "reports/history/new.json"]) == 0
    assert f"{TINY}/scripted/cpu/b8" in capsys.readouterr().out
    assert main(["history", "show", "reports/history"]) == 0
    told = capsys.readouterr()
    assert "2 reports" in told.out
    assert told.err == ""
    assert "note: " not in told.out
    assert main(["accept", golden, "--selected"]) == 0
    for baseline in (golden, "latest", "accepted"):
        capsys.readouterr()
        assert main(["gate", "reports/history/new.json", f"--baseline={baseline}"]) in (0, 1, 3)
        told = capsys.readouterr()
        assert f"{TINY}/scripted/cpu/b8" in told.out
        assert told.err == ""


def test_a_machine_of_an_old_report_is_the_same_one_today(monkeypatch):
    """What is recorded makes the fingerprint that stands beside it, so no history starts anew."""
    reports = [read_report(GOLDEN / f"schema-{schema}.json") for schema in SCHEMAS]
    reports += [read_report(path) for path in sorted(EXAMPLE.glob("*.json"))[:1]]
    assert len(reports) == SCHEMA_VERSION + 1
    for report in reports:
        found = report["machine_info"]["vitbench"]
        for name, key in {"cpu": "cpu", "available_cores": "cores", "cgroup_quota": "quota",
                          "gpus": "gpus"}.items():  # fmt: skip
            monkeypatch.setattr(environment, name, lambda value=found[key]: value)
        today = environment.describe(found["threads"], found["weights"])
        assert today["fingerprint"] == found["fingerprint"]


def test_the_example_is_of_one_machine_and_nothing_of_it_is_left_out():
    history = load(EXAMPLE)
    assert len(history.runs) == 20
    assert len({run.classes[TINY] for run in history.runs}) == 1
    assert not history.damaged
    assert all(not run.left_out and run.node is None for run in history.runs)
