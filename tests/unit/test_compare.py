"""Reports side by side, and figures on their way in and out."""

import json

import pytest

from tests.helpers.load_rows import loaded
from tests.unit.test_store import CASE, own_cache, run_of, write  # noqa: F401 - a fixture
from vitbench.cli.main import main


@pytest.fixture
def pair(tmp_path):
    write(tmp_path, [run_of(1, 3.0), run_of(2, 2.0, torch="2.13.0", commit="b" * 40)])
    return str(tmp_path / "0000.json"), str(tmp_path / "0001.json")


def test_what_differs_comes_first(pair, capsys):
    assert main(["compare", *pair]) == 0
    told = capsys.readouterr().out
    assert "B: torch 2.12.1 to 2.13.0, commit aaaaaaaa to bbbbbbbb" in told
    assert told.index("torch 2.12.1") < told.index(CASE)
    assert "3.00x" in told
    assert "+50.0%" in told


def test_the_first_is_the_base_whatever_its_time(pair, capsys):
    assert main(["compare", pair[1], pair[0], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [report["commit"][0] for report in answer["reports"]] == ["b", "a"]
    assert answer["cases"][1]["reports"][1]["change"] == pytest.approx(-1 / 3)


def test_another_machine_is_told_and_its_times_are_not_compared(tmp_path, capsys):
    write(tmp_path, [run_of(1), run_of(2, threads=8)])
    assert main(["compare", str(tmp_path / "0000.json"), str(tmp_path / "0001.json")]) == 0
    told = capsys.readouterr().out
    assert "the times are not comparable" in told
    assert "%" not in told.partition("case ")[2]


def test_that_rates_under_load_are_not_compared_is_said(pair, tmp_path, capsys):
    assert main(["compare", *pair]) == 0
    assert "under load" not in capsys.readouterr().out
    runs = [run_of(3), run_of(4)]
    runs[1]["benchmarks"].append(loaded(CASE, 40.0))
    write(tmp_path / "loaded", runs)
    names = [str(tmp_path / "loaded" / name) for name in ("0000.json", "0001.json")]
    assert main(["compare", *names]) == 0
    assert "Rates under load are not compared here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bound", "differs"),
    [(15.0, "latency bound 50 ms to 15 ms"), (50.0, "nothing that is in the reports")],
)
def test_another_latency_bound_is_named(bound, differs, tmp_path, capsys):
    runs = [run_of(1), run_of(2)]
    for run, each in zip(runs, (50.0, bound), strict=True):
        run["benchmarks"] = [loaded(CASE, 40.0, bound=each)]
    write(tmp_path, runs)
    assert main(["compare", str(tmp_path / "0000.json"), str(tmp_path / "0001.json")]) == 0
    assert f"  B: {differs}\n" in capsys.readouterr().out


def test_compare_wants_two_that_can_be_read(pair, tmp_path, capsys):
    assert main(["compare", pair[0], pair[0]]) == 4
    assert "two or more" in capsys.readouterr().err
    assert main(["compare", pair[0], str(tmp_path / "none.json")]) == 4
    assert "none.json: cannot read" in capsys.readouterr().err


def test_the_exports(tmp_path, capsys):
    folder = str(write(tmp_path / "r", [run_of(1), run_of(2, 2.0)]))
    assert main(["history", "export", folder, "--format=github"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert (entries[1]["name"], entries[1]["unit"]) == (CASE, "ms")
    assert entries[1]["value"] == pytest.approx(20)
    assert main(["history", "export", folder, "--format=prometheus"]) == 0
    line = f'vitbench_speedup_ratio{{case="{CASE}",machine="EPYC, 2 cores, 2 threads"}} 2'
    assert line in capsys.readouterr().out.splitlines()
    assert (
        main(["history", "export", folder, "--format=csv", f"--output={tmp_path / 'x.csv'}"]) == 0
    )
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 5
    assert main(["history", "export", folder, "--format=asv"]) == 4
    assert "--output" in capsys.readouterr().err
    assert main(["history", "export", folder, "--format=asv", f"--output={tmp_path / 'asv'}"]) == 0
    (result,) = (tmp_path / "asv").glob("*/aaaaaaaa-vitbench.json")
    assert json.loads(result.read_text())["results"][CASE] == [[0.02]]


def test_a_label_of_prometheus_cannot_be_left(tmp_path, capsys):
    report = run_of(1)
    report["machine_info"]["vitbench"]["cpu"]["model"] = 'a"} 1\nevil{x="'
    assert (
        main(["history", "export", str(write(tmp_path / "r", [report])), "--format=prometheus"])
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert not any(line.startswith("evil") for line in lines)
    assert 'machine="a\\"} 1\\nevil{x=\\", 2 cores' in "\n".join(lines)
