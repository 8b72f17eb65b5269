"""`latest` is the newest report of the history by what the reports say, and never a guess."""

import json
import os

import pytest

from tests.unit.test_gate import run, timed
from vitbench.cli.main import main


@pytest.fixture
def history(tmp_path, monkeypatch):
    """Three reports, of which neither the name nor the time of the file says which is newest."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "reports" / "history"
    folder.mkdir(parents=True)
    days = {"b.json": "2026-03-01", "a.json": "2026-03-03", "c.json": "2026-03-02"}
    for index, (name, day) in enumerate(days.items()):
        report = run(timed(speedup=1.0 + index)) | {"datetime": f"{day}T12:00:00+00:00"}
        (folder / name).write_text(json.dumps(report))
    os.utime(folder / "a.json", (1, 1))
    (folder / ".hidden.json").write_text("{")
    return folder


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    "command", [["show"], ["best"], ["best", "--json"], ["gate", "--baseline=latest"], ["accept"]]
)
def test_the_newest_by_its_own_date_is_taken_and_named(capsys, command):
    assert main([command[0], "latest", *command[1:]]) in (0, 1, 2, 3)
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == (
        "vitbench: latest is reports/history/a.json, of 2026-03-03 12:00:00 UTC"
    )
    if command[0] == "gate":
        assert said.out.startswith("reports/history/a.json against the newest of reports/history")


@pytest.mark.parametrize("order", [("latest", "c.json"), ("c.json", "latest")])
def test_compare_takes_it_at_any_place(history, capsys, order):
    files = [name if name == "latest" else f"reports/history/{name}" for name in order]
    assert main(["compare", *files, "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == "vitbench: latest is reports/history/a.json, of 2026-03-03 12:00:00 UTC\n"
    named = [file.replace("latest", "reports/history/a.json") for file in files]
    assert [each["file"] for each in json.loads(said.out)["reports"]] == named
    history.rename("elsewhere")
    assert main(["compare", "elsewhere/c.json", "latest", "--history=elsewhere"]) == 0
    assert main(["compare", "elsewhere/a.json", "latest", "--history=elsewhere"]) == 4
    assert "two or more different reports" in capsys.readouterr().err


def test_another_zone_is_another_hour(history, capsys):
    report = run(timed()) | {"datetime": "2026-03-03T13:30:00+02:00"}  # half an hour before
    (history / "d.json").write_text(json.dumps(report))
    assert main(["show", "latest"]) == 0
    assert "latest is reports/history/a.json" in capsys.readouterr().err


def test_the_history_may_be_elsewhere(history, capsys, tmp_path):
    history.rename(tmp_path / "elsewhere")
    assert main(["show", "latest"]) == 4
    assert "reports/history: no reports (*.json) in it" in capsys.readouterr().err
    assert main(["show", "latest", "--history=elsewhere"]) == 0
    assert "latest is elsewhere/a.json" in capsys.readouterr().err


def test_the_folder_of_latest_is_no_option_without_effect(history, tmp_path, capsys):
    """Also where the baseline is not of the history."""
    history.rename(tmp_path / "elsewhere")
    options = ["--history=elsewhere", "--baseline=elsewhere/c.json"]
    main(["gate", "latest", *options])
    assert "--history" not in capsys.readouterr().out
    main(["gate", "elsewhere/a.json", *options])
    assert "--history" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"benchmarks": []}'])
@pytest.mark.parametrize("command", ["show", "best", "gate", "accept"])
def test_what_cannot_be_dated_may_be_the_newest(history, capsys, text, command):
    (history / "d.json").write_text(text)
    assert main([command, "latest"]) == 4
    said = capsys.readouterr()
    assert "d.json: " in said.err
    assert "it may be the newest: delete it, or name the report" in said.err
    assert main(["show", str(history / "a.json")]) == 0


def test_outputs_of_a_gate_without_a_report_say_so(history, tmp_path):
    (history / "d.json").write_text("{")
    (tmp_path / "junit.xml").write_text("an old one")
    assert main(["gate", "latest", "--junit=junit.xml"]) == 4
    assert "it may be the newest" in (tmp_path / "junit.xml").read_text()


def test_a_file_of_that_name_is_named_by_a_path(history, tmp_path, capsys):
    (history / "b.json").rename(tmp_path / "latest")
    assert main(["show", "./latest"]) == 0
    assert "latest is" not in capsys.readouterr().err
