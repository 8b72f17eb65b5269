"""What a history has read and does not use is counted and named, in whatever encoding it comes."""

import copy
import csv
import io
import json
import math
import os

import pytest

from tests.helpers.reports import TINY, a_report
from tests.unit.test_gate import baseline, run, timed
from tests.unit.test_hardware import EPYC, info, plain
from tests.unit.test_store import CASE, own_cache, run_of, write  # noqa: F401 - a fixture
from vitbench.cli.main import main
from vitbench.history.store import load
from vitbench.history.trends import trends
from vitbench.report.figures import LONGEST_NAME, shortened
from vitbench.report.reader import read_report, rows
from vitbench.show.page_data import data


def plain_of(**medians):
    """A plain report with a benchmark of every name; ... is a median that is not there."""
    report = plain(info(EPYC))
    (one,) = report["benchmarks"]
    report["benchmarks"] = []
    for name, median in medians.items():
        each = copy.deepcopy(one) | {"fullname": name, "name": name}
        each["stats"] = {} if median is ... else each["stats"] | {"median": median}
        report["benchmarks"].append(each)
    return report


def told(folder, capsys, *options, command="show", code=0):
    assert main(["history", command, str(folder), *options]) == code
    return capsys.readouterr()


BAD = [
    (0, "0"), (-1.0, "-1.0"), (None, "null"), ("fast", '"fast"'), (math.nan, "NaN"), (True, "true"),
    (math.inf, "Infinity"), (1e300, "1e+300"), (..., "not there"), ([0.1], "[0.1]"),
]  # fmt: skip


@pytest.mark.parametrize(("median", "words"), BAD)
def test_a_median_that_is_no_time_is_counted_and_named(tmp_path, capsys, median, words):
    write(tmp_path, [plain_of(a=0.1, b=median), plain_of(a=0.1, b=median), plain_of(a=0.1, b=0.2)])
    out = told(tmp_path, capsys).out
    assert "; 2 figures left out" in out
    assert f"note: 0001.json and 1 older: b: left out: its median is {words}" in out
    assert "b: 200.0 ms, 1 run" in out
    assert "a: 100.0 ms, 3 runs" in out
    assert "its median" in told(tmp_path, capsys, "--format=csv", command="export").err
    (left,) = json.loads(told(tmp_path, capsys, "--json").out)["remarks"]
    assert "its median" in left
    assert data(load(tmp_path), [], {}, [], "r")["remarks"] == [left]


def test_of_a_case_of_ours_a_speedup_that_is_none_does_not_start_a_series(tmp_path, capsys):
    reports = [run_of(1), run_of(2), run_of(3)]
    reports[1]["benchmarks"][1]["extra_info"]["ratio"]["speedup"] = 0
    write(tmp_path, reports)
    assert [len(trend.runs) for trend in trends(load(tmp_path))] == [3, 2]
    assert f"0001.json: {CASE}: left out: its speed-up is 0" in told(tmp_path, capsys).out


def test_a_name_that_is_there_twice_is_left_out_and_named(tmp_path, capsys):
    twice = plain_of(a=0.1, b=0.2)
    twice["benchmarks"].append(copy.deepcopy(twice["benchmarks"][0]))
    twice["benchmarks"][2]["stats"]["median"] = 0.02
    ours = run_of(2)
    ours["benchmarks"].append(copy.deepcopy(ours["benchmarks"][1]))
    write(tmp_path, [twice, ours])
    out = told(tmp_path, capsys).out
    assert "note: 0000.json: a: left out: it is there more than once" in out
    assert f"note: 0001.json: {CASE}: left out: it is there more than once" in out
    assert set(load(tmp_path).cases) == {"b", f"{TINY}/fp32/cpu/b1"}


def test_latency_and_throughput_of_one_case_are_no_double(tmp_path, capsys):
    assert "left out" not in told(write(tmp_path, [a_report()]), capsys).out


def test_long_names_that_begin_alike_are_two_cases(tmp_path):
    one, other = "x" * 400 + "[a]", "x" * 400 + "[b]"
    history = load(write(tmp_path, [plain_of(**{one: 0.1, other: 0.4, "y" * 300: 0.1})] * 2))
    assert len(history.cases) == 3
    assert all(len(case) <= LONGEST_NAME for case in history.cases)
    assert [len(trend.runs) for trend in trends(history)] == [2, 2, 2]
    assert shortened("y" * 300) == "y" * 300
    assert shortened(one) == shortened(one) != shortened(other)


def test_a_benchmark_without_a_name_and_a_report_without_benchmarks_or_a_date(tmp_path, capsys):
    nameless, empty = plain_of(a=0.1), plain_of()
    nameless["benchmarks"] += [{"stats": {"median": 1}}, {"name": "", "stats": {"median": 1}}]
    del nameless["datetime"]
    write(tmp_path, [nameless, empty])
    out = told(tmp_path, capsys).out
    assert "0000.json: benchmark 2: left out: it has no name" in out
    assert "0000.json: benchmark 3: left out: it has no name" in out
    assert "note: 0001.json: it has no benchmarks" in out
    assert "note: 0000.json: it does not say when it was taken: the date of the file" in out
    assert "; 2 figures left out" in out


def test_what_is_left_out_is_said_again_from_the_cache(tmp_path):
    folder, cache = write(tmp_path / "r", [plain_of(a=0, b=1)]), tmp_path / "c.npz"
    cold, warm = load(folder, cache), load(folder, cache)
    assert warm.runs == cold.runs
    assert warm.runs[0].left_out == {"a": "its median is 0"}


def test_compare_says_what_it_left_out(tmp_path, capsys):
    write(tmp_path, [plain_of(a=0.1, b=0.1), plain_of(a=0.1, b=0)])
    assert main(["compare", *(str(tmp_path / f"000{i}.json") for i in (0, 1))]) == 0
    assert "0001.json: b: left out: its median is 0" in capsys.readouterr().out


FOREIGN = [
    {"schema": 3}, {"schema": 99, "case": "small"}, {"schema": "v7"}, {"schema": 2, "case": None},
    {"schema": 9, "case": {"id": f"{TINY}/fp32/cpu/b1"}, "ratio": {"speedup": 7.0}},
    {"schema": None, "agreement": {"state": "KEPT"}, "artifact": {"bytes": 5}},
]  # fmt: skip


@pytest.mark.parametrize("extra", FOREIGN)
def test_what_another_suite_writes_is_its_own(tmp_path, capsys, extra):
    report = plain_of(a=0.1)
    report["benchmarks"][0]["extra_info"] = extra
    path = write(tmp_path, [report, report]) / "0000.json"
    assert rows(read_report(path)) == []
    assert main(["show", str(path)]) == 0
    main(["gate", str(path), f"--baseline={tmp_path / '0001.json'}"])
    assert "INCONCLUSIVE  a: time +0.0 %" in capsys.readouterr().out
    assert "a: 100.0 ms, 2 runs" in told(tmp_path, capsys).out
    (row, _) = csv.DictReader(
        io.StringIO(told(tmp_path, capsys, "--format=csv", command="export").out)
    )
    assert (row["case"], row["seconds"], row["speedup"], row["bytes"], row["state"]) == (
        "a", "0.1", "", "", "",
    )  # fmt: skip


def test_another_suite_may_run_beside_vitbench(tmp_path):
    report = run(timed())
    beside = plain_of(a=0.1)["benchmarks"][0] | {"extra_info": {"schema": 99, "case": "small"}}
    report["benchmarks"].append(beside)
    (tmp_path / "x.json").write_text(json.dumps(report))
    assert len(rows(read_report(tmp_path / "x.json"))) == 1
    assert load(tmp_path).cases[-1] == "a"


def test_a_report_of_a_newer_vitbench_is_refused_still(tmp_path, capsys):
    for place in ("vitbench", "extra_info"):
        report = baseline()
        holder = report if place == "vitbench" else report["benchmarks"][1]
        holder[place] = holder[place] | {"schema": 99}
        (tmp_path / f"{place}.json").write_text(json.dumps(report))
        assert main(["show", str(tmp_path / f"{place}.json")]) == 4
        assert "read it with a newer vitbench" in capsys.readouterr().err
    assert "read it with a newer vitbench" in told(tmp_path, capsys, code=1).err


ENCODINGS = {
    "utf-8-sig": lambda text: text.encode("utf-8-sig"),
    "powershell": lambda text: b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"),
    "utf-16-be": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-16-le without its mark": lambda text: text.encode("utf-16-le"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_every_command_reads_every_encoding(tmp_path, capsys, monkeypatch, encode):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "reports/history"
    folder.mkdir(parents=True)
    later = baseline() | {"datetime": "2026-02-01T00:00:00+00:00"}
    for name, report in {"a": baseline(), "b": later}.items():
        report["commit_info"] = {"id": "é" * 10}
        (folder / f"{name}.json").write_bytes(encode(json.dumps(report, indent=1)))
    a, b = str(folder / "a.json"), str(folder / "b.json")
    assert main(["show", a]) == 0
    assert main(["best", a]) in (0, 1)
    assert main(["compare", a, b]) == 0
    assert main(["accept", a]) == 0
    for options in ([f"--baseline={a}"], ["--baseline=latest"], []):
        assert main(["gate", b, *options]) == 0
    assert main(["history", "show", str(folder)]) == 0
    captured = capsys.readouterr()
    assert "2 reports" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("cut", [b'\xff\xfe{\x00"', b"\xfe\xff\x00"])
def test_utf_16_that_is_cut_is_refused_with_its_name_and_the_cause(tmp_path, capsys, cut):
    (tmp_path / "cut.json").write_bytes(cut)
    for command in (["show"], ["gate"], ["best"], ["accept"], ["compare", "x.json"]):
        assert main([*command, str(tmp_path / "cut.json")]) == 4
        error = capsys.readouterr().err
        assert command[0] == "compare" or ("cut.json" in error and "PowerShell" in error)
    assert "cut.json" in told(tmp_path, capsys, code=1).err


def test_a_file_or_folder_that_cannot_be_read_is_named(tmp_path, capsys, monkeypatch):
    folder = write(tmp_path / "r", [plain_of(a=0.1)])
    (folder / "nowhere.json").symlink_to(tmp_path / "gone.json")
    os.mkfifo(folder / "pipe.json")
    (folder / "closed").mkdir()
    scan = os.scandir

    def closed(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    err = told(folder, capsys, code=1).err
    assert "skipped: nowhere.json: a broken link" in err
    assert "skipped: pipe.json: not a file" in err
    assert "skipped: closed: cannot list this folder: Permission denied" in err


def test_an_export_names_what_it_cannot_have(tmp_path, capsys):
    one, other = plain_of(a=0.1), plain_of(a=0.2)
    one["commit_info"] = {"id": "abc"}
    write(tmp_path / "r", [one, other])
    err = told(
        tmp_path / "r", capsys, "--format=asv", f"--output={tmp_path / 'asv'}", command="export"
    ).err
    assert "left out: 1 without a commit, which asv cannot have: 0001.json" in err


def test_every_machine_has_its_newest_figure(tmp_path, capsys):
    one, other = plain_of(a=0.1), plain_of(a=0.2)
    other["machine_info"] = info({"brand_raw": "Apple M2"})
    out = told(write(tmp_path, [one, other]), capsys, "--format=prometheus", command="export").out
    assert 'case="a",machine="AMD EPYC 7763, 4 cores"} 0.1\n' in out
    assert 'case="a",machine="Apple M2"} 0.2\n' in out
