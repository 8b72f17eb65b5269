"""What a history says of its series: gradual changes."""

import math
import sys

import numpy as np

from tests.unit.test_store import CASE, own_cache, run_of, stepped, write  # noqa: F401 - a fixture
from vitbench.cli.main import main
from vitbench.history.store import load
from vitbench.history.trends import Event, Trend, significant_over_all, trends
from vitbench.show.history import history_text
from vitbench.show.history_data import history_json
from vitbench.show.page_data import data


def noise(count, seed=3):
    return np.random.default_rng(seed).normal(0, 0.02, count)


def speedups(slower):
    """Of log times (n,), the speed-ups over the reference."""
    return [3.0 * math.exp(-value) for value in slower]


def creep(flat=10, runs=30):
    """Reports of a case that takes 1 % more a run after a flat start."""
    slower = noise(flat + runs)
    slower[flat:] += math.log(1.01) * np.arange(1, runs + 1)
    return [run_of(day, each) for day, each in enumerate(speedups(slower))]


def test_a_creep_is_said_to_be_gradual_and_no_step(tmp_path):
    reports = creep(flat=20, runs=30)
    for report in reports[30:]:
        report["machine_info"]["vitbench"]["versions"]["torch"] = "2.13.0"
    history = load(write(tmp_path / "r", reports))
    found = trends(history)
    (event,) = [event for each in found for event in each.events]
    assert event.gradual
    assert event.significant
    assert event.change > 0.2
    words = history_text(history, found, "r")
    began, ended = history.runs[event.run].date, history.runs[event.until].date
    assert f"% slower [{100 * event.low:.1f}%, " in words
    assert f"], gradually, from {began} (aaaaaaaa) to {ended} (aaaaaaaa)" in words
    assert "; in that time torch 2.12.1 to 2.13.0" in words
    assert "since" not in words
    (change,) = [
        each for trend in history_json(history, found)["trends"] for each in trend["changes"]
    ]
    assert change["kind"] == "gradual"
    assert (change["run"], change["until"]) == (event.run, event.until)
    page = data(history, found, {}, [], "r")
    assert [case["gradual"] for case in page["cases"]] == [
        case["case"] == CASE for case in page["cases"]
    ]
    assert "gradually, from" in page["changes"][0]["words"]
    (shown,) = [each for trend in page["trends"] for each in trend["events"]]
    assert shown["until"] > shown["run"]


def test_a_step_is_no_gradual_change(tmp_path):
    slower = noise(60)
    slower[30:] += 0.2
    reports = [run_of(day, each) for day, each in enumerate(speedups(slower))]
    history = load(write(tmp_path / "r", reports))
    (change,) = [
        x for trend in history_json(history, trends(history))["trends"] for x in trend["changes"]
    ]
    assert change["kind"] == "step"
    assert change["until"] == change["run"] == 30
    assert "% since 2025" in change["sentence"].replace("]", "")


def test_a_change_of_one_series_may_be_chance_among_many():
    """Of twenty series one changes with p = 0.001 and one with p = 0.02: at a false-discovery rate
    of 5 % over all of them only the first is significant. Of two series both are."""

    def trend(*p):
        events = tuple(
            Event("m/v/cpu/b1", 0, 1, 1, 2, 0.1, 0.0, 0.2, each, False, ()) for each in p
        )
        return Trend("m/v/cpu/b1", "f", "", "", (), (), machine="here", events=events)

    changed = [trend(0.001), trend(0.02)]
    for others, expected in ((18, [True, False]), (0, [True, True])):
        found = significant_over_all([*changed, *[trend()] * others])
        assert [event.significant for each in found for event in each.events] == expected


def test_a_history_with_a_change_is_shown_without_scipys_statistics(tmp_path, monkeypatch, capsys):
    """Their import takes longer than the rest of the command."""
    folder = write(tmp_path / "r", stepped())
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert main(["history", "show", str(folder)]) == 0
    assert "slower" in capsys.readouterr().out
