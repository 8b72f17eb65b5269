"""A history of reports written by hand: what is read, what is skipped, and what the cache does."""

import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.reports import TINY, benchmark_of, ratio_of, report_of
from vitbench.cli.main import main
from vitbench.history.store import load
from vitbench.history.trends import trends
from vitbench.show.exports import asv, github, prometheus
from vitbench.show.history import history_text
from vitbench.show.history_data import history_csv, history_json
from vitbench.show.page import escaped
from vitbench.show.page_data import data

CASE = f"{TINY}/int8-dynamic/cpu/b1"
WEIGHTS = {TINY: "0123456789abcdef" * 4}


def run_of(day, speedup=3.0, torch="2.12.1", commit="a" * 40, threads=2, case=CASE):
    """A report of a day, with one case beside its reference."""
    report = report_of(
        benchmark_of(f"{TINY}/fp32/cpu/b1", seconds=0.07),
        benchmark_of(case, ratio=ratio_of(speedup, speedup * 0.99, speedup * 1.01)),
    )
    report["datetime"] = f"20{25 + day // 336}-{1 + day // 28 % 12:02}-{1 + day % 28:02}T00:00:00"
    report["commit_info"] = {"id": commit, "dirty": False}
    report["machine_info"]["vitbench"] = {
        "fingerprint": "f", "cpu": {"model": "EPYC", "isa": ["avx2"]}, "cores": 2, "quota": None,
        "gpus": [], "threads": threads, "weights": WEIGHTS, "versions": {"torch": torch},
        "variables": {}, "readings": {},
    }  # fmt: skip
    return report


def write(folder, reports):
    folder.mkdir(parents=True, exist_ok=True)
    for index, report in enumerate(reports):
        (folder / f"{index:04}.json").write_text(json.dumps(report))
    return folder


def stepped(count=120, at=90, step=1.1, **after):
    """Runs whose case takes `step` times as long from run `at` on."""
    noise = np.random.default_rng(3).normal(0, 0.02, count)
    return [
        run_of(day, 3.0 * math.exp(noise[day]) / (step if day >= at else 1),
               **(after if day >= at else {}))
        for day in range(count)
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["baselines", "calibrations", "aa-runs", "example"])
def test_what_is_no_run_of_the_project_is_left_out_unless_named(tmp_path, name):
    write(tmp_path / "history", [run_of(0)])
    write(tmp_path / name, [run_of(1), run_of(2)])
    assert len(load(tmp_path).runs) == 1
    assert len(load(tmp_path / name).runs) == 2


def test_runs_are_in_the_order_of_time_and_their_figures_are_kept(tmp_path):
    write(tmp_path / "r", [run_of(9, 2.0), run_of(3, 1.5)])
    history = load(tmp_path / "r")
    assert [run.file for run in history.runs] == ["0001.json", "0000.json"]
    assert history.cases == (f"{TINY}/fp32/cpu/b1", CASE)
    assert history.column("speedup").tolist()[1::2] == [1.5, 2.0]
    assert history.column("bytes").tolist() == [6_500_000] * 4
    assert history.damaged == ()


def test_a_damaged_file_is_named_and_the_rest_is_shown(tmp_path, capsys):
    folder = write(tmp_path / "r", [run_of(1)])
    (folder / "cut.json").write_text(json.dumps(run_of(2))[:-50])
    (folder / "list.json").write_text("[]")
    (folder / "new.json").write_text('{"benchmarks": [], "vitbench": {"schema": 99}}')
    assert main(["history", "show", str(folder)]) == 1
    told = capsys.readouterr()
    for name in ("cut.json", "list.json", "new.json"):
        assert name in told.out
        assert name in told.err
    assert "1 report from 2025-01-02" in told.out
    assert "int8-dynamic/cpu/b1: 20.0 ms, 3.00x, KEPT, 1 run" in told.out


def test_a_folder_that_is_not_there_or_empty(tmp_path, capsys):
    assert main(["history", "show", str(tmp_path / "none")]) == 4
    assert "no such folder" in capsys.readouterr().err
    assert main(["history", "show", str(tmp_path)]) == 4
    assert "no reports (*.json) in it" in capsys.readouterr().err


def test_plain_files_are_read_too(tmp_path):
    plain = {
        "machine_info": {"node": "n", "cpu": {"brand_raw": "X", "count": 4}}, "version": "4.0.0",
        "datetime": "2021-05-05T10:00:00.1+00:00", "commit_info": {"id": "c"},
        "benchmarks": [{"group": None, "name": "test_it", "fullname": "t.py::test_it",
                        "stats": {"median": 0.5, "data": [0.4, 0.5, 0.6]}, "extra_info": {}}],
    }  # fmt: skip
    history = load(write(tmp_path / "r", [plain]))
    assert history.cases == ("t.py::test_it",)
    (trend,) = trends(history)
    assert trend.values == (math.log(0.5),)
    assert not trend.paired


def test_the_cache_answers_the_same_and_may_be_deleted_or_damaged(tmp_path):
    folder, cache = write(tmp_path / "r", stepped(20)), tmp_path / "c.npz"
    (folder / "bad.json").write_text("{")
    cold, warm = load(folder, cache), load(folder, cache)
    assert warm.runs == cold.runs
    assert warm.cases == cold.cases
    assert warm.damaged == cold.damaged
    np.testing.assert_array_equal(warm.figures, cold.figures)
    for broken in (b"", b"PK\x03\x04nothing", cache.read_bytes()[:-100]):
        cache.write_bytes(broken)
        assert load(folder, cache).runs == cold.runs
    (folder / "0003.json").unlink()
    (folder / "0004.json").write_text(json.dumps(run_of(4, 9.0)))
    changed = load(folder, cache)
    assert len(changed.runs) == 19
    assert 9.0 in changed.column("speedup")


def test_a_cached_file_is_not_read_again(tmp_path, monkeypatch):
    folder, cache = write(tmp_path / "r", stepped(5)), tmp_path / "c.npz"
    load(folder, cache)
    monkeypatch.setattr("vitbench.history.store.decoded", lambda path: pytest.fail(f"read {path}"))
    assert len(load(folder, cache).runs) == 5


def test_a_change_names_what_changed_with_it(tmp_path):
    history = load(write(tmp_path / "r", stepped(torch="2.13.0", commit="b" * 40)))
    (event,) = [event for trend in trends(history) for event in trend.events]
    assert event.case == CASE
    assert event.run == 90
    assert event.low < 0.1 < event.high
    assert event.significant
    assert event.with_it == ("torch 2.12.1 to 2.13.0", "commit aaaaaaaa to bbbbbbbb")
    told = history_text(history, trends(history), "reports")
    assert "slower [" in told
    assert "since 2025-04-07 00:00 (bbbbbbbb), with torch 2.12.1 to 2.13.0" in told


def test_another_fingerprint_is_another_series(tmp_path):
    history = load(write(tmp_path / "r", stepped(threads=4)))
    found = [trend for trend in trends(history) if trend.case == CASE]
    assert [len(trend.runs) for trend in found] == [90, 30]
    assert [trend.events for trend in found] == [(), ()]


def test_json_and_csv_hold_every_run(tmp_path, capsys):
    folder = write(tmp_path / "r", stepped())
    assert main(["history", "show", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["runs"]) == 120
    assert answer == json.loads(json.dumps(history_json(load(folder), trends(load(folder)))))
    assert main(["history", "export", str(folder), "--format=csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 240
    assert float(rows[1]["speedup"]) == pytest.approx(3.0, rel=0.1)


def test_a_csv_starts_no_formula_and_a_terminal_obeys_nothing(tmp_path):
    report = run_of(1)
    report["commit_info"]["id"] = "=cmd()\x1b[31m"
    history = load(write(tmp_path / "r", [report]))
    assert "'=cmd()" in history_csv(history)
    assert "\x1b" not in history_csv(history) + history_text(history, trends(history), "r")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([1e308, -1, 10**400, "<script>", "\ud800", "1e9"]),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value, way=()):
    """The way to every place of a report."""
    yield way
    members = dict(enumerate(value)) if isinstance(value, list) else value
    for key, member in members.items() if isinstance(members, dict) else ():
        yield from places(member, (*way, key))


def holds(place, key):
    known = place if isinstance(place, dict) else range(len(place)) if type(place) is list else ()
    return key in known


WAYS = [way for way in places(run_of(1)) if way]


@given(st.lists(st.tuples(st.sampled_from(WAYS), JSON), min_size=1, max_size=3))
def test_whatever_stands_in_a_report_there_is_a_history_or_a_sentence(tmp_path, edits):
    report = run_of(1)
    for way, value in edits:
        place = report
        for key in way[:-1]:
            place = place[key] if holds(place, key) else {}
        if holds(place, way[-1]):
            place[way[-1]] = value
    (tmp_path / "x.json").write_text(json.dumps(report))
    history = load(tmp_path)
    assert len(history.runs) + len(history.damaged) == 1
    assert all(why.startswith("x.json: ") for why in history.damaged)
    found = trends(history)
    assert history_text(history, found, "r").encode()
    assert history_csv(history).encode()
    assert github(history)
    assert prometheus(history).encode()
    assert asv(history)
    assert "<" not in escaped(data(history, found, {}, [], "r"))


def test_figures_and_times_out_of_this_world_are_not_there(tmp_path):
    reports = [run_of(day, 3.0 if day < 20 else 1e-320) for day in range(40)]
    for report in reports[::2]:
        report["benchmarks"][0]["stats"]["median"] = 1e308
        report["datetime"] = "0001-01-01T00:00:00+23:59"
    history = load(write(tmp_path / "r", reports))
    assert history_text(history, trends(history), "r")
    assert json.dumps(history_json(history, trends(history)), allow_nan=False)


@given(st.binary(max_size=300) | JSON.map(lambda x: json.dumps(x).encode()))
def test_whatever_stands_in_a_file_there_is_a_history_or_a_sentence(tmp_path, content):
    (tmp_path / "any.json").write_bytes(content)
    history = load(tmp_path)
    assert len(history.runs) + len(history.damaged) == 1
    assert history_text(history, trends(history), "r")


def test_a_run_without_a_figure_does_not_hide_the_one_before(tmp_path):
    whole, latency, duet = run_of(1), run_of(2, 2.0), run_of(3)
    whole["benchmarks"].append(benchmark_of(CASE, "footprint"))
    duet["benchmarks"] = [benchmark_of(CASE, "duet")]
    history = load(write(tmp_path / "r", [whole, latency, duet]))
    entries = json.loads(github(history))
    assert [each["name"] for each in entries] == [f"{TINY}/fp32/cpu/b1", CASE]
    assert entries[1]["extra"] == "2.000x the reference"
    machine = "EPYC, 2 cores, 2 threads"
    lines = prometheus(history).splitlines()
    for name, value in (("speedup_ratio", "2"), ("peak_memory_bytes", "612000000")):
        assert f'vitbench_{name}{{case="{CASE}",machine="{machine}"}} {value}' in lines


def test_of_two_series_on_one_machine_the_text_says_from_when(tmp_path):
    reports = stepped()
    other = run_of(120)
    other["machine_info"]["vitbench"]["weights"] = {TINY: "f" * 64}
    history = load(write(tmp_path / "r", [*reports, other]))
    told = history_text(history, trends(history), "r")
    assert f"    on EPYC, 2 cores, 2 threads (from {history.runs[0].date}): " in told
    assert (
        f"on EPYC, 2 cores, 2 threads (from {history.runs[-1].date}) (1 more series of this case)"
        in told
    )
    one = load(write(tmp_path / "s", reports))
    assert "more series" not in history_text(one, trends(one), "s")


def test_a_null_arm_is_exported_as_no_speed_up(tmp_path, capsys):
    folder = write(tmp_path / "r", [run_of(0)])
    history = load(folder)
    reference, case = csv.DictReader(io.StringIO(history_csv(history)))
    assert (reference["speedup"], reference["low"], reference["high"]) == ("", "", "")
    assert float(reference["seconds"]) == 0.07
    assert float(case["speedup"]) == 3.0
    (line,) = (x for x in prometheus(history).splitlines() if "speedup_ratio{" in x)
    assert CASE in line
    assert [("extra" in each) for each in json.loads(github(history))] == [False, True]
    output = tmp_path / "all.csv"
    assert main(["history", "export", str(folder), "--format=csv", f"-o={output}"]) == 0
    assert capsys.readouterr().out == f"wrote {output}\n"
