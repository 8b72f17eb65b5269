"""Reports of several classes of machine: `show`, `best`, `compare`, the history and its page."""

import json
from pathlib import Path

import pytest

from tests.helpers.load_rows import loaded
from tests.helpers.reports import TINY, agreement_of, benchmark_of, ratio_of, report_of
from vitbench.cli.main import main

FP32, INT8, BF16 = (f"{TINY}/{name}/cpu/b1" for name in ("fp32", "int8-dynamic", "bf16"))
ITSELF = agreement_of(lower=1.0, upper=1.0, share=1.0)
VNNI, ZEN3, ARM = "EPYC 9R14", "EPYC 7763", "Neoverse-V2"


def report(cpu, fp32, *others, when="2026-01-01T00:00:00+00:00", **changes):
    found = report_of(
        benchmark_of(FP32, seconds=fp32, agreement=ITSELF),
        *(benchmark_of(case, seconds=s, ratio=ratio_of(fp32 / s, fp32 / s, fp32 / s))
          for case, s in others),
        **changes,
    )  # fmt: skip
    found["machine_info"] = {
        "node": cpu,
        "vitbench": {"cpu": {"model": cpu, "isa": [cpu]}, "cores": 2, "threads": 2, "gpus": []},
    }
    return found | {"datetime": when}


@pytest.fixture
def said(tmp_path, capsys, monkeypatch):
    """What a command prints of three classes: the second is slow and cheap, the third fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pyproject.toml").write_text(
        "[tool.vitbench.prices]\n"
        'fast = { price = "1/h", machine = "EPYC 9R14*" }\n'
        'slow = { price = "0.1/h", machine = "EPYC 7763*" }\n'
        'arm = { price = "2/h", machine = "Neoverse*" }\n'
    )
    reports = {
        "fast.json": report(VNNI, 0.1, (INT8, 0.02), (BF16, 0.04)),
        "old.json": report(ZEN3, 0.4, (INT8, 0.3), (BF16, 0.5), when="2025-12-01T00:00:00+00:00"),
        "slow.json": report(ZEN3, 0.2, (INT8, 0.1)),
        "arm.json": report(
            ARM, 0.15, (INT8, 0.05), failed={BF16: "illegal instruction"},
            when="2026-01-02T00:00:00+00:00",
        ),
    }  # fmt: skip
    (tmp_path / "all").mkdir()

    def run(*words, **changes):
        for name, each in {**reports, **changes}.items():
            Path("all", name).write_text(json.dumps(each))
        code = main([f"all/{w}" if w.endswith(".json") else w for w in words])
        told = capsys.readouterr()
        return code, told.out + told.err

    run.reports = reports
    return run


EVERY = ("fast.json", "old.json", "slow.json", "arm.json")


def test_a_table_has_columns_for_each_class_of_machine(said):
    code, told = said("show", *EVERY)
    assert code == 0
    lines = told.splitlines()
    assert lines[0] == "A: EPYC 9R14, 2 cores, 2 threads"
    assert sum(line[:2] in ("A:", "B:", "C:", "D:") for line in lines) == 3
    assert "all/old.json: the report of 2025-12-01" in told
    assert "; slow costs 0.1 an hour" in told
    cells = {line.split()[0]: line.split()[1:] for line in lines if "/cpu/b1" in line[:30]}
    assert cells["int8-dynamic/cpu/b1"] == [
        "20.0", "5.00x", "180000", "KEPT", "100.0", "2.00x", "360000", "KEPT",
        "50.0", "3.00x", "36000", "KEPT",
    ]  # fmt: skip
    assert cells["bf16/cpu/b1"][-1] == "failed"
    assert cells["bf16/cpu/b1"][4] == "500.0", "the newest report of the class that has the case"
    assert "best of B: int8-dynamic/cpu/b1: least latency: 100.0 ms" in told


def test_what_is_broken_or_left_out_on_one_class_is_seen(said):
    said.reports["slow.json"]["benchmarks"][1] = benchmark_of(
        INT8, agreement=agreement_of(state="BROKEN", share=0.5, lower=0.4)
    )
    said.reports["arm.json"]["benchmarks"][1]["stats"]["median"] = -1
    _, told = said("show", "fast.json", "slow.json", "arm.json")
    (line,) = [x for x in told.splitlines() if x.startswith("int8-dynamic/cpu/b1")]
    assert "BROKEN" in line
    assert "best of B: fp32/cpu/b1" in told
    assert f"left out of C: {INT8}: all/arm.json: its median is -1" in told


def test_one_report_and_several_of_one_class_are_as_before(said):
    assert said("show", "fast.json")[1].startswith(f"{TINY}, batch 1")
    _, told = said("show", "old.json", "slow.json")
    assert "A: EPYC 7763" in told
    assert "B:" not in told


def test_the_best_of_each_machine(said):
    code, told = said("best", "fast.json", "slow.json")
    assert code == 0
    assert "all/fast.json: EPYC 9R14, 2 cores, 2 threads\n" in told
    assert told.count("best: int8-dynamic/cpu/b1: least latency") == 2
    _, told = said("best", "fast.json", "slow.json", "--json")
    found = json.loads(told)
    assert [each["machine"][:9] for each in found] == ["EPYC 9R14", "EPYC 7763"]
    assert [each["choices"][0]["best"] for each in found] == [INT8, INT8]
    code, told = said("best", "fast.json", "slow.json", "--min-agreement=1")
    assert code == 0
    assert told.count("best: fp32/cpu/b1") == 2
    code, told = said("best", "fast.json", "slow.json", "--need=load")
    assert code == 4
    assert "all/fast.json: the report has no rate under load" in told


def test_the_front_over_machines_is_of_what_is_cheaper_than_all_that_is_faster(said):
    code, told = said("best", "fast.json", "slow.json", "arm.json", "--need=cost")
    assert code == 0
    front = [line.strip() for line in told.splitlines() if "front over machines" in line]
    assert front == [
        "front over machines: int8-dynamic/cpu/b1 of all/fast.json: 20.0 ms, 180,000 images for a "
        "unit of money: the fastest",
        "front over machines: int8-dynamic/cpu/b1 of all/slow.json: 100.0 ms, 360,000 images for "
        "a unit of money: cheaper than all that are faster",
    ]
    near = report(ZEN3, 0.2, (INT8, 0.199))
    _, told = said("best", "fast.json", "slow.json", "--need=cost", **{"slow.json": near})
    assert told.count("front over machines") == 1, "by less than single runs differ by"


def test_the_page_recommends_for_each_machine(said):
    pytest.importorskip("plotly", reason="the page needs plotly (extra history)")
    said.reports["slow.json"]["benchmarks"].append(loaded(INT8, 8.0))
    assert said("history", "page", "all", "-o", "page.html")[0] == 0
    page = Path("page.html").read_text()
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    starts = [words.partition(" (")[0] for words in data["best"]]
    of = "{}, 2 cores, 2 threads".format
    assert starts[:3] == [of(ARM), of(ZEN3), of(VNNI)]
    assert all("int8-dynamic/cpu/b1" in words for words in data["best"])
    assert data["failed"] == [f"{BF16}, on {of(ARM)}: illegal instruction"]
    of_int8 = {
        x["machine"]: (x["median"], x["server_rate"]) for x in data["cases"] if x["case"] == INT8
    }
    assert of_int8 == {of(VNNI): (20.0, None), of(ZEN3): (100.0, 8.0), of(ARM): (50.0, None)}
    (loads,) = [words for words in data["best"] if "most load" in words]
    assert loads.startswith(f"{of(ZEN3)} (slow.json, ")
    for name in EVERY[:-1]:
        Path("all", name).unlink()
    assert main(["history", "page", "all", "-o", "page.html"]) == 0
    page = Path("page.html").read_text()
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert data["best"][0].startswith(f"{TINY}, batch 1: "), "one machine goes without saying"
    assert data["failed"] == [f"{BF16}: illegal instruction"]


def test_times_of_two_classes_are_no_change(said):
    code, told = said("compare", "fast.json", "slow.json")
    assert code == 0
    assert "another machine, threads or weights: the times are not comparable" in told
    assert "%" not in told
    _, told = said("history", "show", "all")
    assert (
        "150.0 ms, KEPT, 1 run, on Neoverse-V2, 2 cores, 2 threads (2 more series of this" in told
    )
