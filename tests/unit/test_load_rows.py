"""What a reader makes of cases under load: table, contracts, recommendation, history, page."""

import csv
import io
import json
import math

import numpy as np
import pytest

from tests.helpers.load_rows import GRID, loaded, proof_of
from tests.helpers.reports import TINY, agreement_of, benchmark_of, ratio_of, report_of
from tests.unit.test_show import line_of
from tests.unit.test_store import own_cache, run_of, write  # noqa: F401 - a fixture
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.history.series import series
from vitbench.history.store import load
from vitbench.history.trends import trends
from vitbench.judge.best import choose
from vitbench.judge.contract_results import judge_contracts
from vitbench.judge.contracts import read_contracts
from vitbench.report.prices import Price, priced
from vitbench.report.reader import read_report
from vitbench.report.sound import sound
from vitbench.show.best import choices_text, plot_choices
from vitbench.show.exports import prometheus
from vitbench.show.history import history_text
from vitbench.show.history_data import history_csv, history_json
from vitbench.show.page_data import data
from vitbench.show.page_load import page_load
from vitbench.show.table import table

FP32, INT8, LITE = (f"{TINY}/{name}/cpu/b1" for name in ("fp32", "int8-dynamic", "lite"))
NONE = "no rate keeps 15 ms: one query at a time has a p99 of 20 ms"


@pytest.fixture
def report():
    """fp32 keeps the bound at no rate, int8-dynamic is proven, lite is an estimate."""
    return report_of(
        loaded(FP32, 0.0, single_stream_p90_ms=19.0, notes=[NONE]),
        loaded(LITE, 30.0),
        loaded(INT8, 40.0, proven=36.0),
    )


def test_a_row_is_read_as_it_was_written(report, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert read_report(tmp_path / "report.json") == report
    report["benchmarks"][0]["extra_info"]["arrangements"][0] = {"instances": 0}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert len(read_report(tmp_path / "report.json")["benchmarks"]) == 2


def test_the_table_has_each_rate_with_its_evidence_and_queries(report):
    text = table(report, None)
    heads = line_of(text, "case").split()
    words = "SingleStream p90 ms Offline images/s server rate /s server p99 ms latency bound ms "
    assert " ".join(heads[1:]) == f"{words}queries evidence server arrangement"
    cells = [cell.strip() for cell in line_of(text, "int8-dynamic").split("  ") if cell]
    assert cells == [
        "int8-dynamic/cpu/b1", "9.0", "61.5", "36.0", "13.5", "15.0", "1201", "proven",
        "2 x 1 thread, window 0 ms",
    ]  # fmt: skip
    order = [line.split("/")[0] for line in text.splitlines() if "/cpu/b1  " in line]
    assert order == ["int8-dynamic", "lite", "fp32"]
    assert "batch 1" not in text
    words = " ".join(text.split())
    assert f"Under load: {TINY} on cpu: latency bound 15 ms (--latency-bound) estimate:" in words
    assert f"{FP32}: {NONE}" in words
    assert "A/A, the same arrivals twice: p99 differs by at most 6% in 3 pairs of runs" in words
    assert "the generator of load alone sends 9,341 queries/s" in words


def test_a_table_without_load_says_nothing_of_it():
    assert "nder load" not in table(report_of(benchmark_of(FP32)), None)


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_rate_evidence_and_queries_stay_in_a_narrow_terminal(report, width):
    report["benchmarks"].append(benchmark_of(INT8))
    text = table(report, width)
    assert max(map(len, text.splitlines())) <= width
    cells = [
        each for each in text.splitlines() if "int8-dynamic/cpu/b1" in each and "proven" in each
    ]
    assert "36.0" in cells[0]
    assert "1201" in cells[0]
    if width == 80:
        assert "Offline images/s" in text.partition("Columns that do not fit:")[2]


CLAUSE = "server_rate >= 40/s"
FAILED = {"rate": 38.7, "state": "UNPROVEN", "problems": ["9 late of 1,001"]}
SLOW = {"server_runs": [{"rate": each, "queries": 100, "p99_ms": 16.0} for each in (60.0, 40.0)]}


@pytest.mark.parametrize(
    ("row", "state", "words"),
    [
        (loaded(INT8, 45.0, proven=41.0), "KEPT", "41.0 requests/s within 15 ms (proven, 1,201"),
        (loaded(INT8, 43.0, proven=38.7), "UNPROVEN", "window 0 ms; no more is proven"),
        (loaded(INT8, 20.0, proven=18.0), "BROKEN", "18.0 requests/s within 15 ms (proven"),
        (loaded(INT8, 90.0), "UNPROVEN", "; an estimate proves no rate: run benchmarks/test_load"),
        (loaded(INT8, 38.0), "UNPROVEN", "38.0 requests/s within 15 ms (estimate, 320 queries)"),
        (loaded(INT8, 20.0), "BROKEN", "20.0 requests/s within 15 ms (estimate"),
        # No rate keeps the bound: at the rates that were tried, or not even one query at a time.
        (loaded(INT8, 0.0, **SLOW), "UNPROVEN", "no rate that was tried keeps 15 ms: at 40.0/s"),
        (loaded(INT8, 28.0), "BROKEN", "; 38.9/s at most, as single runs vary by 1.39x"),
        (loaded(INT8, 43.0, proof=FAILED), "UNPROVEN", "; 38.7/s was run for a proof: 9 late of"),
        (loaded(INT8, 0.0, single_stream_p90_ms=16.0), "UNPROVEN", "SingleStream p90 is 16.0 ms"),
        (loaded(INT8, 0.0, single_stream_p90_ms=30.0), "BROKEN", "SingleStream p90 is 30.0 ms"),
        (benchmark_of(INT8), "UNPROVEN", "has no load of the case: run benchmarks/test_load.py"),
    ],
)
def test_a_contract_on_a_rate_is_kept_by_proof_alone(tmp_path, row, state, words):
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[tool.vitbench.contracts]\n"*/int8*" = ["{CLAUSE}"]\n')
    (found,) = judge_contracts(read_contracts(path), report_of(row), {})
    assert (found.state, found.case) == (state, f"{INT8} (server_rate)")
    assert found.sentence.startswith(f"{CLAUSE}: ")
    assert words in found.sentence


def test_a_load_that_was_left_out_is_no_load_that_was_not_measured(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[tool.vitbench.contracts]\n"*/int8*" = ["{CLAUSE}"]\n')
    for rate in (-1.0, float("nan")):
        report = sound(report_of(benchmark_of(INT8), loaded(INT8, rate)), "a.json")
        (found,) = judge_contracts(read_contracts(path), report, {})
        words = f"{CLAUSE}: left out of the report: a.json: "
        assert (found.state, words in found.sentence) == ("UNPROVEN", True), found.sentence
    both = sound(report_of(benchmark_of(INT8), loaded(INT8, 45.0, proven=41.0)), "a.json")
    (found,) = judge_contracts(read_contracts(path), both, {})
    assert found.state == "KEPT"


PROVES = proof_of(41.0, 1201)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"server_p99_ms": 15.1}, "its server_p99_ms of 15.1 is over its latency_bound_ms of 15"),
        ({"server_queries": 5}, "its server_queries are 5, and the queries of its proof 1,201"),
        ({"server_rate": 44.0}, "its server_rate is 44, and the rate of its proof 41"),
        ({"proof": {}}, "its proof is UNPROVEN"),
        ({"proof": {"state": "UNPROVEN"}}, "its proof is UNPROVEN"),
        ({"proof": {**PROVES, "problems": ["9 late"]}}, "its proof is UNPROVEN: 9 late"),
        ({"proof": {**PROVES, "late": 13}}, "its proof has 13 late of 1,201 queries"),
        ({"proof": {**PROVES, "queries": 900}, "server_queries": 900}, "a proof takes 1,001"),
        ({"proof": {**PROVES, "state": "FINE"}}, "proof.state"),
        ({"proof": "KEPT"}, "proof"),
        ({}, ""),
        ({"proof": {**PROVES, "late": 12 - 1}}, ""),
        ({"server_p99_ms": 15.0}, ""),
    ],
)
def test_a_load_whose_figures_contradict_each_other_is_left_out(tmp_path, changes, why):
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.vitbench.contracts]\n"*/int8*" = ["{CLAUSE}"]\n'
    )
    report = report_of(benchmark_of(INT8), loaded(INT8, 45.0, proven=41.0, **changes))
    (tmp_path / "a.json").write_text(json.dumps(report))
    report = read_report(tmp_path / "a.json")
    (found,) = judge_contracts(read_contracts(tmp_path / "pyproject.toml"), report, {})
    assert found.state == ("UNPROVEN" if why else "KEPT"), found.sentence
    if why:
        assert "left out of the report" in found.sentence
        assert why in found.sentence


def test_an_estimate_beyond_its_bound_is_left_out_and_no_rate_is_not():
    beyond, none = loaded(INT8, 45.0, server_p99_ms=16.0), loaded(LITE, 0.0, server_p99_ms=16.0)
    report = sound(report_of(beyond, none))
    assert [each["extra_info"]["case"]["id"] for each in report["benchmarks"]] == [LITE]


@pytest.mark.parametrize(
    ("row", "state", "words"),
    [
        (loaded(INT8, 45.0, proven=41.0), "KEPT", "1,476,000, of 41.0 requests/s within 15 ms"),
        (loaded(INT8, 90.0), "UNPROVEN", "3,240,000, of 90.0 requests/s within 15 ms (estimate"),
        (loaded(INT8, 20.0), "BROKEN", "27.8/s at most, as single runs vary by 1.39x"),
        (loaded(INT8, 0.0, **SLOW), "UNPROVEN", "0, of no rate that was tried keeps 15 ms"),
        (benchmark_of(INT8), "UNPROVEN", "has no load of the case: run benchmarks/test_load.py"),
    ],
)
def test_requests_for_a_unit_of_money_are_judged_as_the_rate_is(tmp_path, row, state, words):
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.vitbench.contracts]\n"*/int8*" = ["requests_per_unit >= 1440000"]\n')
    report = report_of(row)
    (found,) = judge_contracts(read_contracts(path), priced(report, Price("s", 0.1, "")), {})
    assert (found.state, words in found.sentence) == (state, True), found.sentence
    (found,) = judge_contracts(read_contracts(path), report, {})
    assert found.state == "UNPROVEN"
    assert ("the report has no price" in found.sentence) == (row["group"] == "load")
    selected = report_of(benchmark_of(INT8), selected=["-k latency"])
    found = judge_contracts(read_contracts(path), selected, {"int8-dynamic": ("cpu",)})
    assert {each.state for each in found} == {"UNJUDGED"}


@pytest.mark.parametrize(
    ("bought", "state"), [(1_000_000, "KEPT"), (1_400_000, "UNPROVEN"), (2_100_000, "BROKEN")]
)
def test_images_for_a_unit_of_money_vary_as_single_runs_do(tmp_path, bought, state):
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[tool.vitbench.contracts]\n"*/int8*" = ["images_per_unit >= {bought}"]\n')
    report = report_of(benchmark_of(INT8, seconds=0.025))  # 1,440,000 for 0.1 an hour
    (found,) = judge_contracts(read_contracts(path), priced(report, Price("s", 0.1, "")), {})
    assert found.state == state
    (found,) = judge_contracts(read_contracts(path), report, {})
    assert "the report has no price" in found.sentence


def test_a_contract_may_fix_the_bound(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.vitbench.contracts]\n"*" = ["latency_bound <= 0.02 s"]\n')
    rows = loaded(INT8), loaded(LITE, bound=30.0)
    found = judge_contracts(read_contracts(path), report_of(*rows), {})
    assert [each.state for each in found] == ["KEPT", "BROKEN"]


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("server_rate >= 40", "the unit of server_rate is /s, not none"),
        ("server_rate >= 40/h", "the unit of server_rate is /s, not '/h'"),
        ("server_rate <= 40/s", "server_rate needs >=, not <="),
        ("size <= 30/s", "the unit of size is kB or MB"),
        ("server_rate >= 40//s", "is not a contract"),
    ],
)
def test_a_rate_has_its_unit(tmp_path, clause, words):
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[tool.vitbench.contracts]\n"*" = ["{clause}"]\n')
    with pytest.raises(UserError, match=r"pyproject\.toml:2: ") as told:
        read_contracts(path)
    assert words in str(told.value)


def test_a_run_of_selected_latencies_judges_no_rate(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[tool.vitbench.contracts]\n"*/int8*" = ["{CLAUSE}"]\n')
    report = report_of(benchmark_of(INT8), selected=["-k latency"])
    found = judge_contracts(read_contracts(path), report, {"int8-dynamic": ("cpu",)})
    assert {each.state for each in found} == {"UNJUDGED"}
    assert "not in this run's selection: the run has no load" in found[0].sentence


def test_the_best_under_load_says_why_and_what_was_left_out(report):
    report["benchmarks"] += [
        benchmark_of(f"{TINY}/plain/cpu/b1"),
        benchmark_of(f"{TINY}/plain/cpu/b8", "throughput"),
        loaded(f"{TINY}/wrong/cpu/b1", 99.0, agreement=agreement_of(share=0.9, lower=0.88)),
        loaded(f"{TINY}/other/cpu/b1", 99.0, bound=30.0),
        loaded(f"{TINY}/slow/cpu/b1", 20.0, samples="photo"),
        loaded(f"{TINY}/late/cpu/b1", 0.0, arrangement="1 x 1 thread, window 14 ms"),
    ]
    report["vitbench"] |= {
        "unavailable": {f"{TINY}/fp16/cpu/b1": "it needs CUDA"},
        "failed": {f"{TINY}/broken/cpu/b1": "instance 1 was killed"},
    }
    (choice,) = choose(report, "load", 0.96)
    assert choice.best == INT8
    assert choice.sentence == (
        "most load: 36.0 requests/s within 15 ms (proven, 1,201 queries) as 2 x 1 thread, "
        "window 0 ms"
    )
    out = {case.split("/")[1]: why for case, why in choice.out.items()}
    assert out == {
        "fp32": "no rate keeps 15 ms; SingleStream p90 is 19.0 ms",
        "late": "no rate keeps 15 ms as 1 x 1 thread, window 14 ms, though SingleStream p90 is "
        "9.0 ms: the window, or slower calls under load, take the rest",
        "lite": "single runs vary by a factor of 1.39, so it may be the best: 30.0 requests/s "
        "(estimate) against 36.0 requests/s (proven; estimate 40.0); dominated by "
        "int8-dynamic/cpu/b1",
        "slow": "its requests are JPEG bytes, and those of others images that are ready: give all "
        "one --load-samples",
        "plain": "the report has no load of the case: run benchmarks/test_load.py too",
        "wrong": "agrees on 90.0%, and 96.0% is asked",
        "other": "its latency bound is 30 ms, and that of others 15 ms: give all one "
        "--latency-bound",
        "fp16": "unavailable: it needs CUDA",
        "broken": "failed: instance 1 was killed",
    }
    assert "need: load\n  requests/s: 99 % of them keep the latency bound" in choices_text([choice])


def test_an_estimate_is_called_one_and_a_proof_is_no_handicap():
    """A proven rate is nine tenths of its estimate: by rates, lite would be the best."""
    (choice,) = choose(report_of(loaded(INT8, 40.0, proven=36.0), loaded(LITE, 38.0)), "load", 0.96)
    assert choice.best == INT8
    (choice,) = choose(report_of(loaded(INT8, 36.0), loaded(LITE, 38.0)), "load", 0.96)
    assert choice.best == LITE
    assert choice.sentence.endswith(
        "; an estimate proves no rate: run benchmarks/test_load.py with --load-proof"
    )


def test_a_proof_that_failed_is_told_and_not_asked_for_again():
    (choice,) = choose(report_of(loaded(INT8, 36.0, proof=FAILED)), "load", 0.96)
    assert choice.sentence.endswith("; 38.7/s was run for a proof: 9 late of 1,001")


def test_the_table_ranks_by_the_estimates_as_the_recommendation_does():
    text = table(report_of(loaded(LITE, 38.0), loaded(INT8, 40.0, proven=36.0)), None)
    assert text.index("int8-dynamic") < text.index("lite")
    assert "SingleStream and Offline are each of the arrangement that is the best" in text


def test_rates_within_several_bounds_dominate_nothing():
    rows = loaded(INT8, 40.0), loaded(LITE, 30.0, bound=30.0)
    fast = benchmark_of(LITE, seconds=0.01), benchmark_of(INT8, ratio=ratio_of(1.5, 1.4, 1.6))
    (choice,) = choose(report_of(*rows, *fast), "latency", 0.96)
    assert choice.front == (LITE,)


@pytest.mark.parametrize("need", ["load", "cost"])
def test_requests_of_two_kinds_are_not_ranked_together_and_of_one_kind_are(need):
    """As in a merged report of two runs: images that are ready carry more."""
    for kinds, best, ranked in (
        (("photo", "tensor"), LITE, False),
        (("tensor", "photo"), INT8, False),
        (("photo", "photo"), INT8, True),
    ):
        rates = zip((INT8, LITE), (60.0, 30.0), kinds, strict=True)
        both = report_of(*(loaded(case, rate, samples=kind) for case, rate, kind in rates))
        (choice,) = choose(priced(both, Price("s", 0.1, "")), need, 0.96)
        assert choice.best == best
        (why,) = choice.out.values()
        assert ("dominated by" in why) == ranked
        apart = "its requests are JPEG bytes, and those of others images that are ready: give all"
        assert (apart in why) != ranked


def test_rates_of_two_kinds_dominate_nothing_and_no_cost_of_them_does():
    fast = benchmark_of(LITE, seconds=0.01), benchmark_of(INT8, ratio=ratio_of(1.5, 1.4, 1.6))
    for samples, bound, front in (
        ("photo", 15.0, (LITE,)),
        ("tensor", 30.0, (LITE,)),
        ("tensor", 15.0, (INT8, LITE)),
    ):
        rows = loaded(INT8, 90.0, samples=samples, bound=bound), loaded(LITE, 30.0)
        report = priced(report_of(*rows, *fast), Price("s", 0.1, ""))
        (choice,) = choose(report, "latency", 0.96)
        assert set(choice.front) == set(front)


def test_best_of_a_report_without_what_it_needs_says_what_to_run(report, tmp_path, capsys):
    with pytest.raises(UserError, match=r"no rate under load: run `pytest .* benchmarks/test_load"):
        choose(report_of(benchmark_of(INT8)), "load", 0.96)
    with pytest.raises(UserError, match="no paired timings: run `pytest --benchmark-only`"):
        choose(report, "latency", 0.96)
    with pytest.raises(UserError, match="--plot shows latencies, and the report has none"):
        plot_choices(choose(report, "load", 0.96), tmp_path / "x.html")
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert main(["best", str(tmp_path / "report.json"), "--need=load", "--json"]) == 0
    (choice,) = json.loads(capsys.readouterr().out)
    candidate = next(each for each in choice["candidates"] if each["case"] == INT8)
    assert (candidate["load"], candidate["under_load"]["estimate"]) == (36.0, 40.0)
    slow = report_of(loaded(INT8, 0.0))
    (tmp_path / "report.json").write_text(json.dumps(slow))
    assert main(["best", str(tmp_path / "report.json"), "--need=load"]) == 1
    assert "best: none: no variant is left to choose from" in capsys.readouterr().out


def nights(rates, **changes):
    """A report for each rate of a night, under load alone."""
    found = []
    for day, rate in enumerate(rates):
        report = run_of(day)
        report["benchmarks"] = [loaded(INT8, float(rate), **changes)]
        found.append(report)
    return found


def test_a_rate_that_falls_is_found_and_said(tmp_path):
    noise = np.random.default_rng(3).normal(0, 0.02, 60)
    reports = nights([40 * math.exp(x) / (1.25 if n >= 40 else 1) for n, x in enumerate(noise)])
    for report in reports[40:]:
        report["commit_info"]["id"] = "b" * 40
    history = load(write(tmp_path / "r", reports))
    (trend,) = trends(history)
    (event,) = trend.events
    assert (trend.field, trend.basis, event.run) == ("server_rate", "estimate within 15 ms", 40)
    change, low, high = event.own
    assert low < change < high < 0
    assert change == pytest.approx(-0.2, abs=0.02)
    words = history_text(history, [trend], "r")
    rate = reports[-1]["benchmarks"][0]["extra_info"]["server_rate"]
    assert f"under load: {rate:.1f}/s within 15 ms (estimate, 320 queries), 60 runs\n" in words
    assert "% fewer requests/s [" in words
    assert "with commit aaaaaaaa to bbbbbbbb" in words
    (answer,) = history_json(history, [trend])["trends"]
    assert answer["values"][-1] == pytest.approx(rate)
    assert answer["changes"][0]["change"] == change


def daily(tmp_path, reports):
    """The history of reports, one a day."""
    for day, report in enumerate(reports):
        report["datetime"] = f"2025-02-{day + 1:02}T00:00:00"
    return load(write(tmp_path / "r", reports))


PHOTO = {
    "samples": "photo", "front": "simplejpeg",
    "photographs": "16 JPEG photographs of 500 x 375, 51 kB each",
}  # fmt: skip


def test_rates_from_the_bytes_of_photographs_are_called_so_and_kept_apart(tmp_path):
    reports = [*nights([40.0, 41.0]), *nights([30.0, 0.0], **PHOTO)]
    history = daily(tmp_path, reports[:3])
    found = {each.basis: [run for run, _, _ in each.points] for each in series(history)}
    assert found == {
        "estimate within 15 ms": [0, 1],
        "estimate within 15 ms from JPEG bytes": [2],
    }
    assert "under load: 30.0/s within 15 ms from JPEG bytes (estimate" in text_of(history)
    rows = list(csv.DictReader(io.StringIO(history_csv(history))))
    assert [row["load_samples"] for row in rows] == ["tensor", "tensor", "photo"]
    (choice,) = choose(reports[2], "load", 0.0)
    assert "most load: 30.0 requests/s from JPEG bytes within 15 ms (estimate" in choice.sentence
    assert "(1 more series of rates)" in text_of(history)
    words = table(reports[2], width=250)
    assert "front half" in words
    assert "simplejpeg" in line_of(words, "int8-dynamic")
    assert f"a query is the bytes of one of {PHOTO['photographs']}" in words
    assert "front half" not in table(reports[0], width=250)


def test_a_rate_that_rises_is_more_and_not_slower(tmp_path):
    history = load(write(tmp_path / "r", nights([30] * 30 + [40] * 30)))
    words = history_text(history, trends(history), "r")
    assert "33.3% more requests/s" in words
    assert "slower" not in words


MEASURED = {"latency_bound": "2 calls of fp32, 9 ms each"}


def test_only_rates_of_one_evidence_and_one_bound_are_a_series(tmp_path):
    reports = [
        *nights([450.0, 400.0], **MEASURED),
        *nights([36.0], proven=30.0, **MEASURED),
        *nights([38.0], bound=50.0, **MEASURED),
        *nights([38.0, 37.0], bound=18.0, **MEASURED),  # measured bounds differ in each run
        *nights([0.0], **MEASURED),
    ]
    history = daily(tmp_path, reports)
    found = {each.basis: [run for run, _, _ in each.points] for each in series(history)}
    assert found == {
        "estimate within 15 to 18 ms": [0, 1, 4, 5],
        "proven within 15 to 18 ms": [2],
        "estimate within 50 ms": [3],
    }
    assert (
        "int8-dynamic/cpu/b1: under load: no rate that was tried keeps 15 ms\n"
        in f"{text_of(history)}\n"
    )


def test_bounds_that_were_named_are_each_a_series_of_their_own(tmp_path):
    reports = [
        *nights([450.0, 400.0]),
        *nights([460.0, 390.0], bound=16.0),
        *nights([470.0], bound=17.0, **MEASURED),
        *nights([470.0], bound=15.0, **MEASURED),
    ]
    history = daily(tmp_path, reports)
    found = {each.basis: [run for run, _, _ in each.points] for each in series(history)}
    assert found == {
        "estimate within 15 ms": [0, 1],
        "estimate within 16 ms": [2, 3],
        "estimate within 15 to 17 ms": [4, 5],
    }


def text_of(history):
    return history_text(history, trends(history), "r")


def test_times_and_rates_of_a_case_are_one_line_and_two_series(tmp_path):
    both = run_of(1)
    both["benchmarks"].append(loaded(INT8))
    history = load(write(tmp_path / "r", [run_of(0), both, *nights([0, 0, 39.0])[2:]]))
    assert (
        "int8-dynamic/cpu/b1: 20.0 ms, 3.00x, KEPT, 2 runs; under load: 39.0/s within 15 ms "
        "(estimate, 320 queries), 2 runs"
    ) in text_of(history)
    assert "more series" not in text_of(history)
    page = data(history, trends(history), {}, [], "r")
    (case,) = [each for each in page["cases"] if each["case"] == INT8]
    assert (case["median"], case["server_rate"]) == (20.0, 39.0)
    assert ["server_rate", "server rate /s", 1] in [list(each) for each in page["columns"]]
    units = {each["short"]: each["unit"] for each in page["trends"]}
    assert units[INT8] == "speed-up over the reference"
    assert units[f"{INT8}, server rate"] == "requests/s, estimate within 15 ms"


def test_a_history_without_load_is_as_it_was(tmp_path):
    history = load(write(tmp_path / "r", [run_of(0)]))
    page = data(history, trends(history), {}, [], "r")
    assert "server_rate" not in [name for name, _, _ in page["columns"]]
    assert page["load"]["rows"] == []
    assert "load" not in text_of(history)
    assert "server_rate" not in prometheus(history)


def test_rates_are_exported_with_their_evidence(tmp_path):
    reports = [*nights([40.0]), *nights([0, 40.0], proven=36.0)[1:]]
    history = load(write(tmp_path / "r", reports))
    rows = list(csv.DictReader(io.StringIO(history_csv(history))))
    found = [(row["server_rate"], row["server_queries"], row["load_evidence"]) for row in rows]
    assert found == [("40", "320", "estimate"), ("36", "1201", "proven")]
    machine = "EPYC, 2 cores, 2 threads"
    labels = f'case="{INT8}",machine="{machine}",evidence="proven",samples="tensor"'
    line = f"vitbench_server_rate{{{labels}}} 36\n"
    assert line in prometheus(history)
    times = load(write(tmp_path / "s", [run_of(0)]))
    assert {row["load_evidence"] for row in csv.DictReader(io.StringIO(history_csv(times)))} == {""}


def test_the_page_has_the_rows_and_the_grid_of_arrangements(report):
    found = page_load(report, "r.json")
    assert found["heads"][0] == "case"
    assert [row[0] for row in found["rows"]] == [
        f"{x}/cpu/b1" for x in ("int8-dynamic", "lite", "fp32")
    ]
    assert "proven" in found["rows"][0]
    best = [cell[5] for cell in found["grids"][0]["cells"]]
    assert best == [False, True, False, False, False]
    threads, instances, window, rate = found["grids"][0]["cells"][3][:4]
    assert (threads, instances, window, rate) == (1, 2, 3.8, 35.0)
    assert found["grids"][0]["cells"][4] == [1, 2, 0.0, 38.0, 60.0, False, True]
    assert len(found["grids"][0]["cells"]) == len(GRID)
    assert page_load({}, "")["rows"] == []
