"""Which variant on which machine answers most for a unit of money: reports of several machines."""

import json

import pytest

from tests.helpers.load_rows import loaded
from tests.helpers.reports import TINY, agreement_of, benchmark_of, report_of
from vitbench.cli.main import main

FP32, INT8 = (f"{TINY}/{name}/cpu/b1" for name in ("fp32", "int8-dynamic"))
TABLE = """[tool.vitbench.prices]
small = { price = "0.1/h", machine = "small*" }
large = { price = "1/h", machine = "large*" }
"""


def report(name, images, rate=None, **load):
    """fp32, and int8-dynamic that answers so many images a second, and requests under load."""
    found = report_of(
        benchmark_of(FP32, seconds=0.1, agreement=agreement_of(lower=1.0, upper=1.0, share=1.0)),
        benchmark_of(INT8, seconds=1 / images),
        *([] if rate is None else [loaded(INT8, rate, **load)]),
    )
    cpu = {"model": name, "isa": ["avx2"]}
    found["machine_info"]["vitbench"] = {"cpu": cpu, "cores": 2, "threads": 2, "gpus": []}
    return found


@pytest.fixture
def said(tmp_path, capsys, monkeypatch):
    """What `vitbench best` prints of reports, and its exit code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(TABLE)

    def run(reports, *options, need="cost"):
        for name, each in reports.items():
            (tmp_path / name).write_text(json.dumps(each))
        code = main(["best", *reports, *options, f"--need={need}"])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


@pytest.fixture
def two():
    """The large machine is five times as fast, and ten times as dear; under load twenty times."""
    return {
        "a.json": report("small", 40.0, 30.0, proven=27.0),
        "b.json": report("large", 200.0, 600.0),
    }


def test_images_and_requests_for_a_unit_of_money_rank_machines(said, two):
    code, told = said(two)
    assert code == 0
    assert "a.json: small, 2 cores, 2 threads: small costs 0.1 an hour (pyproject.toml)" in told
    images, requests = (told.partition(f"  {word}: ")[2] for word in ("images", "requests"))
    best = "  best: int8-dynamic/cpu/b1 of a.json: 1,440,000 images for a unit of money\n"
    assert best in images
    assert "  0.50x: int8-dynamic/cpu/b1 of b.json: 720,000 images for a unit" in images
    assert "  best: int8-dynamic/cpu/b1 of b.json: 2,160,000 requests for a unit" in requests
    # By its estimate: a proven rate is lower than that.
    assert "  0.50x: int8-dynamic/cpu/b1 of a.json: 972,000 requests for a unit" in requests
    assert "27.0 requests/s (proven; estimate 30.0), within 15 ms as 2 x 1 thread" in requests


def test_the_ranking_is_json_too(said, two):
    _, told = said(two, "--json", "--price=b.json=cheap:0.1/h")
    images, requests = json.loads(told)
    assert (images["answers"], requests["answers"]) == ("images", "requests")
    assert images["best"] == requests["best"] == {"report": "b.json", "case": INT8}
    assert [each["per_unit"] for each in images["offers"]] == pytest.approx([7.2e6, 1.44e6])
    assert images["offers"][0]["price"]["name"] == "cheap"


def test_machines_that_differ_by_less_than_runs_do_are_said_to(said, two):
    two["b.json"]["benchmarks"][1] = benchmark_of(INT8, seconds=1 / 380)
    assert "so either of the first two may be it" in said(two)[1]
    two["b.json"]["benchmarks"][1] = benchmark_of(INT8, seconds=1 / 100)
    assert "either of the first two" not in said(two)[1]


def other_weights(found):
    found["vitbench"]["models"][TINY] = json.loads(json.dumps(found["vitbench"]["models"][TINY]))
    found["vitbench"]["models"][TINY]["weights"]["sha256"] = "b" * 64


def other_size(found):
    found["vitbench"]["models"][TINY] = found["vitbench"]["models"][TINY] | {
        "architecture": {"img_size": 384}
    }


def no_model(found):
    found["vitbench"]["models"] = {}


def other_answers(found):
    found["benchmarks"][0]["extra_info"]["predictions"]["top1"] = [1, 3]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_weights, "the weights are not as in a.json"),
        (other_size, "the architecture is not as in a.json"),
        (
            no_model,
            "its model cannot be compared with that of a.json: one of the",
        ),
        (other_answers, "its agreement reference answers 1 of 2 images as in a.json, and 96.0% is"),
    ],
)
def test_what_is_of_another_model_is_not_ranked(said, two, change, why):
    change(two["b.json"])
    code, told = said(two)
    assert code == 1
    assert told.count(f"not ranked: int8-dynamic/cpu/b1 of b.json: {why}") == 2
    assert "(there: 720,000 images for a unit of money" in told
    assert "best:" not in told
    assert "no other to rank: int8-dynamic/cpu/b1 of a.json" in told


def test_rates_within_other_bounds_are_not_ranked_and_images_are(said, two):
    two["b.json"]["benchmarks"][2] = loaded(INT8, 600.0, bound=30.0)
    code, told = said(two)
    assert code == 0
    assert told.count("not ranked") == 1
    assert "its latency bound is 30 ms, and that of a.json 15 ms: give all one --latency" in told
    assert "best: int8-dynamic/cpu/b1 of a.json: 1,440,000 images" in told


def test_requests_from_photographs_are_not_ranked_beside_others(said, two):
    two["b.json"]["benchmarks"][2] = loaded(INT8, 600.0, samples="photo")
    code, told = said(two)
    assert code == 0
    assert told.count("not ranked") == 1
    assert "its requests are JPEG bytes, and those of a.json images that are ready: give" in told
    assert "600.0 requests/s from JPEG bytes (estimate)" in told
    two["a.json"]["benchmarks"][2] = loaded(INT8, 30.0, samples="photo")
    code, told = said(two)
    assert code == 0
    assert "not ranked" not in told


def test_other_images_are_said_and_ranked(said, two):
    two["b.json"]["vitbench"]["images"]["sha256"] = "c" * 64
    code, told = said(two)
    assert code == 0
    assert told.count("    its answers were verified on other images than those of a.json") == 2


def test_what_a_machine_lacks_is_said(said, two):
    two["c.json"] = report("small", 30.0)
    assert (
        "not ranked: c.json: it has no requests a second: run benchmarks/test_load.py"
        in (said(two)[1])
    )
    for row in two["c.json"]["benchmarks"]:
        row["extra_info"]["agreement"] |= {"share": 0.5, "lower": 0.4}
    two["c.json"]["vitbench"]["complete"] = False
    told = said(two)[1]
    assert "not ranked: c.json: no variant is left to choose from: fp32/cpu/b1 agrees on" in told
    assert "c.json: INCOMPLETE: the run was cut short" in told


def test_a_report_of_load_alone_has_a_cost(said, two):
    for each in two.values():
        del each["benchmarks"][:2]
    code, told = said(two)
    assert code == 0
    assert "best: int8-dynamic/cpu/b1 of b.json: 2,160,000 requests" in told
    code, told = said({"a.json": two["a.json"]})
    assert "best: int8-dynamic/cpu/b1: least cost: 972,000 requests" in told


def test_how_many_machines_carry_a_rate_is_said_where_it_is_asked(said, two):
    assert "for 200 requests/s" not in said(two)[1]
    code, told = said(two, "--rate=200")
    assert code == 0
    assert "  for 200 requests/s: 8 machines, 0.8 an hour, at 27.0/s each (proven)\n" in told
    assert (
        "  for 200 requests/s: 1 machine, 1 an hour, at 600.0/s each (estimate; 1 machine, 1 an "
        "hour, where it is too high by 1.39x, as single runs vary)\n"
    ) in told
    images, requests = json.loads(said(two, "--rate=500", "--json")[1])
    assert "for_rate" not in images["offers"][0]
    assert [each["for_rate"] for each in requests["offers"]] == [
        {"rate": 500, "machines": 1, "safe_machines": 2, "per_hour": 1},
        {"rate": 500, "machines": 19, "safe_machines": 19, "per_hour": pytest.approx(1.9)},
    ]


def test_machines_for_a_rate_need_no_price_and_a_rate_under_load(said):
    one = report("unpriced", 40.0, 39.0)
    code, told = said({"a.json": one}, "--rate=500", need="load")
    assert code == 0
    assert "for 500 requests/s: 13 machines at 39.0/s each (estimate; 18 machines where it" in told
    (choice,) = json.loads(said({"a.json": one}, "--rate=500", "--json", need="load")[1])
    assert choice["for_rate"] == {
        "rate": 500, "machines": 13, "safe_machines": 18, "per_hour": None
    }  # fmt: skip
    code, told = said({"a.json": report("small", 40.0)}, "--rate=500")
    assert code == 4
    assert "--rate=500: there is no rate under load to count machines by: run `pytest" in told


@pytest.mark.parametrize("value", ["0", "-1", "nan", "many", "1e10"])
def test_a_rate_is_requests_a_second(value, capsys):
    with pytest.raises(SystemExit):
        main(["best", "a.json", "--need=load", f"--rate={value}"])
    assert f"{value!r} is no rate: give requests a second, above 0" in capsys.readouterr().err


def test_rates_of_one_report_within_other_bounds_are_not_compared_by_cost(said):
    one = report("small", 40.0, 30.0)
    one["benchmarks"].append(loaded(FP32, 90.0, bound=30.0))
    code, told = said({"a.json": one})
    assert code == 0
    assert "best: int8-dynamic/cpu/b1" in told
    assert "out: fp32/cpu/b1: its latency bound is 30 ms" in told


@pytest.mark.parametrize(
    ("options", "need", "words"),
    [
        (("--plot=x.html",), "latency", "--plot takes one report, and there are 2: name one"),
        (("--plot=x.html",), "cost", "--plot takes one report"),
        (
            ("--price=x:1/h",),
            "cost",
            "--price=x:1/h: there are 2 reports: name the one whose machine costs that, such as "
            "--price=a.json=x:1/h",
        ),
        (("--price=c.json=x:1/h",), "cost", "c.json is no report of this command: a.json, b.json"),
        (
            ("--price=a.json=x:1/h", "--price=a.json=y:1/h"),
            "cost",
            "--price=a.json=y:1/h: a.json has a price already: x:1/h: leave one out",
        ),
        (("--price=a.json=x:0/h",), "cost", "--price=x:0/h: '0/h' is no price"),
        (("a.json",), "cost", "a.json: the report is named twice: leave one out"),
        (("--rate=9",), "size", "--rate=9: --need=size is no matter of a rate: give --need=load"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(said, two, options, need, words):
    code, told = said(two, *options, need=need)
    assert code == 4
    assert words in told


def test_reports_without_a_price_or_a_case_in_common_are_refused(said, two):
    two["b.json"]["machine_info"]["vitbench"]["cpu"]["model"] = "other"
    code, told = said(two)
    assert code == 4
    assert "b.json: --need=cost needs a price: none of small, large belongs to other, 2 co" in told
    assert "give --price=b.json=NAME:AMOUNT/h" in told
    eight = report("large", 40.0)
    for row in eight["benchmarks"]:
        case = row["extra_info"]["case"]
        case |= {"id": case["id"].replace("/b1", "/b8"), "batch": 8}
    code, told = said({"a.json": two["a.json"], "b.json": eight})
    assert code == 4
    assert f"no model and batch in common: {TINY}, batch 1, is in a.json alone; {TINY}, b" in told
    both = report("large", 40.0)
    both["benchmarks"] += eight["benchmarks"]
    code, told = said({"a.json": two["a.json"], "b.json": both})
    assert code == 0
    assert f"\n{TINY}, batch 8, is in b.json alone" in told
    cut = {"benchmarks": two["a.json"]["benchmarks"]}
    assert (
        "a.json: --need=cost needs a price: the report says nothing of its run"
        in (said({"a.json": cut}, "--price=x:1/h")[1])
    )
