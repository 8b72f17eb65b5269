"""Which runs of a case belong together: commits measured later, and versions that alternate."""

import csv
import io
import json
import math
from datetime import datetime, timedelta

import numpy as np
import pytest

from tests.fidelity.change_points_rates import alternating_rates
from tests.unit.test_store import CASE, own_cache, run_of, write  # noqa: F401 - a fixture
from vitbench.cli.main import main
from vitbench.history.prune import prunable
from vitbench.history.store import load
from vitbench.history.trends import latest, older_runs, trends
from vitbench.show.exports import github, prometheus
from vitbench.show.history import history_text
from vitbench.show.history_data import history_csv, history_json
from vitbench.show.page_data import data

START = datetime.fromisoformat("2025-01-01T00:00:00+00:00")


def commit_of(day, length=40):
    return f"{day:0{length}x}"


def at(day, slower=0.0, commit=None, **more):
    """A report of a day, of the commit of that day or another."""
    commit = day if commit is None else commit
    report = run_of(0, 3.0 * math.exp(-slower), commit=commit_of(commit), **more)
    report["datetime"] = (START + timedelta(days=day, hours=1)).isoformat()
    report["commit_info"]["time"] = (START + timedelta(days=commit)).isoformat()
    return report


def backfilled():
    """60 nights, each with its commit; then 30 commits of a slower past; then 20 more nights."""
    noise = np.random.default_rng(5).normal(0, 0.02, 110)
    nights = [at(100 + day, noise[day]) for day in range(60)]
    past = [at(160 + day, 0.33 + noise[60 + day], commit=day) for day in range(30)]
    return [*nights, *past, *(at(200 + day, noise[90 + day]) for day in range(20))]


def test_commits_measured_later_are_marked_and_no_change(tmp_path):
    history = load(write(tmp_path / "r", backfilled()))
    found = trends(history)
    (trend,) = [each for each in found if each.case == CASE]
    assert trend.events == ()
    assert len(trend.runs) == 80
    assert [run for run, _, _ in trend.older] == list(range(60, 90)) == sorted(older_runs(found))
    words = history_text(history, found, "r")
    assert "80 runs and 30 of older commits" in words
    assert "note: 30 reports of commits older than one that was measured before (" in words
    marks = [row["older"] for row in csv.DictReader(io.StringIO(history_csv(history)))]
    assert marks == [""] * 120 + ["1"] * 60 + [""] * 40
    answer = history_json(history, found)
    assert [run["older"] for run in answer["runs"]] == [60 <= n < 90 for n in range(110)]
    assert answer["trends"][1]["older"] == list(range(60, 90))
    page = data(history, found, {}, [], "r")
    assert len(page["trends"][0]["older"]) == 30
    assert page["runs"][60]["older"]
    assert any("30 reports of commits older" in each for each in page["remarks"])


def test_where_no_commit_has_a_time_nothing_is_marked(tmp_path):
    reports = backfilled()
    for report in reports:
        del report["commit_info"]["time"]
    history = load(write(tmp_path / "r", reports))
    assert older_runs(trends(history)) == set()
    assert "older" not in history_text(history, trends(history), "r")
    assert any(each.events for each in trends(history))


def test_an_older_commit_is_never_the_newest(tmp_path):
    history = load(write(tmp_path / "r", backfilled()[:90]))
    (trend,) = [each for each in trends(history) if each.case == CASE]
    newest = history.runs[59]
    assert history.runs[trend.runs[-1]] == newest
    page = data(history, trends(history), {}, [], "r")
    assert {case["date"] for case in page["cases"]} == {newest.date}
    entry = json.loads(github(history))[1]
    assert float(entry["extra"].split("x")[0]) == pytest.approx(3, rel=0.1)
    (line,) = [x for x in prometheus(history).splitlines() if f'speedup_ratio{{case="{CASE}' in x]
    assert float(line.split()[-1]) == pytest.approx(3, rel=0.1)


def test_old_commits_on_another_machine_are_not_the_newest_either(tmp_path):
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    reports, page = backfilled()[30:90], tmp_path / "index.html"
    for report in reports[30:]:
        report["machine_info"]["vitbench"]["cpu"]["model"] = "Xeon"
    for report in reports[-5:]:
        report["benchmarks"].pop()
    folder = write(tmp_path / "r", reports)
    history = load(folder)
    found, newest = trends(history), history.runs[29]
    assert {each.machine for each in latest(history, found).values()} == {newest.machine}
    shown = data(history, found, {}, [], "r")
    mine = [case for case in shown["cases"] if case["machine"] == newest.machine]
    assert {case["date"] for case in mine} == {newest.date}
    assert len(mine) < len(shown["cases"]), "the other machine has rows of its own"
    assert shown["newest"] == 29
    assert "x the reference" in json.loads(github(history))[1]["extra"]
    assert main(["history", "page", str(folder), f"--output={page}"]) == 0
    assert "int8-dynamic/cpu/b1: least latency" in page.read_text()


def test_a_real_change_is_found_past_commits_measured_later(tmp_path):
    reports = backfilled()
    for report in reports[90:]:
        report["benchmarks"][1]["extra_info"]["ratio"]["speedup"] /= 1.2
    history = load(write(tmp_path / "r", reports))
    (event,) = [event for each in trends(history) for event in each.events]
    assert event.run == 90
    assert event.with_it == (f"commit {commit_of(159)[:8]} to {commit_of(200)[:8]}",)


def test_what_marks_an_older_commit_is_kept(tmp_path):
    reports = backfilled()
    history = load(write(tmp_path / "r", reports))
    gone = {run.file for run in prunable(history, trends(history), 0.0)}
    assert len(gone) > 50
    rest = [x for n, x in enumerate(reports) if f"{n:04}.json" not in gone]
    again = load(write(tmp_path / "s", rest))
    old = {run.commit for n, run in enumerate(again.runs) if n in older_runs(trends(again))}
    assert old == {run.commit for run in again.runs if int(run.commit, 16) < 100}


def test_the_page_recommends_from_the_newest_commit(tmp_path):
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    reports, page = backfilled()[50:70], tmp_path / "index.html"
    for report in reports[10:]:
        report["benchmarks"].pop()
    assert main(["history", "page", str(write(tmp_path / "r", reports)), f"--output={page}"]) == 0
    assert "int8-dynamic/cpu/b1: least latency" in page.read_text()


def matrix(pairs=100, at_pair=60, step=0.1, apart=0.05, seed=0):
    """Values (2 x pairs) and versions that take turns; the second is slower, and from `at_pair` on
    both are, by the commit of that pair."""
    values = np.random.default_rng(seed).normal(0, 0.02, 2 * pairs)
    values[1::2] += apart
    values[2 * at_pair :] += math.log1p(step)
    return [
        at(n, values[n], commit=n // 2, torch=("2.12.1", "2.13.0")[n % 2]) for n in range(2 * pairs)
    ]


def test_each_of_versions_that_alternate_finds_the_step_and_blames_the_commit(tmp_path):
    history = load(write(tmp_path / "r", matrix()))
    found = [each for each in trends(history) if each.case == CASE]
    assert [each.versions for each in found] == ["torch 2.12.1", "torch 2.13.0"]
    for each in found:
        (event,) = each.events
        assert history.runs[event.run].commit == commit_of(60)
        assert event.with_it == (f"commit {commit_of(59)[:8]} to {commit_of(60)[:8]}",)
    words = history_text(history, trends(history), "r")
    assert f"    on {found[0].machine}, torch 2.12.1: " in words
    assert "100 runs, torch 2.13.0" in words
    names = [each["short"] for each in data(history, trends(history), {}, [], "r")["trends"]]
    assert f"{CASE} on {found[0].machine}, torch 2.12.1" in names


def test_versions_that_alternate_are_no_change(tmp_path):
    history = load(write(tmp_path / "r", matrix(step=0.0, apart=0.2)))
    assert [each.events for each in trends(history)] == [(), (), (), ()]


def test_a_version_that_replaced_another_goes_on_and_its_step_names_it(tmp_path):
    values = np.random.default_rng(1).normal(0, 0.02, 100)
    values[60:] += 0.1
    reports = [
        at(n, values[n], torch="2.12.1" if n < 60 else "2.13.0", commit=1) for n in range(100)
    ]
    history = load(write(tmp_path / "r", reports))
    (trend,) = [each for each in trends(history) if each.case == CASE]
    (event,) = trend.events
    assert trend.versions == ""
    assert event.with_it == ("torch 2.12.1 to 2.13.0",)


def test_thinning_leaves_versions_that_alternate_apart(tmp_path):
    reports = matrix()
    history = load(write(tmp_path / "r", reports))
    gone = {run.file for run in prunable(history, trends(history), 20 * 86400.0)}
    assert len(gone) > 50
    rest = [x for n, x in enumerate(reports) if f"{n:04}.json" not in gone]
    again = load(write(tmp_path / "s", rest))
    found = [each for each in trends(again) if each.case == CASE]
    assert [len(each.events) for each in found] == [1, 1]


@pytest.mark.thorough
def test_versions_that_alternate_cost_little_power_and_are_never_blamed():
    each, either, wrong, _ = alternating_rates(100, 60, 0.1, 0.1, 200)
    assert each >= 0.97
    assert either == 1
    assert wrong == 0
    assert alternating_rates(100, 60, 0.0, 0.1, 200)[1:3] == (0, 0)


def test_batches_are_in_the_order_of_their_numbers(tmp_path):
    stem = CASE[:-1]
    runs = [run_of(day, case=f"{stem}{batch}") for day, batch in enumerate((32, 1, 8))]
    history = load(write(tmp_path / "r", runs))
    words = history_text(history, trends(history), "r")
    short = stem.partition("/")[2]
    places = [words.index(f"{short}{batch}:") for batch in (1, 8, 32)]
    assert places == sorted(places)
