"""Which variant to deploy, from reports written by hand."""

import json
import re
from dataclasses import replace

import pytest

from tests.helpers.reports import TINY, agreement_of, benchmark_of, ratio_of, report_of
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.judge.best import choose
from vitbench.show.best import choices_text, plot_choices
from vitbench.show.page_data import BESIDE, recommendations


def case(variant, batch=1):
    return f"{TINY}/{variant}/cpu/b{batch}"


def measured(variant, speedup, size, memory, batch=1, **agreement):
    """The rows of one case: paired timing, and footprint in megabytes."""
    ratio = ratio_of(speedup, 0.98 * speedup, 1.02 * speedup)
    timed = benchmark_of(
        case(variant, batch),
        seconds=0.1 / speedup,
        ratio=ratio,
        agreement=agreement_of(**agreement),
    )
    footprint = benchmark_of(case(variant, batch), "footprint")
    for row in (timed, footprint):
        row["extra_info"]["artifact"]["bytes"] = int(size * 1e6)
    footprint["extra_info"]["peak_memory_bytes"] = int(memory * 1e6)
    return [timed, footprint]


@pytest.fixture
def report():
    return report_of(
        *measured("fp32", 1.0, 22, 700, share=1.0, lower=0.99),
        *measured("fast", 3.0, 9, 800),
        *measured("nearly", 2.95, 10, 900),  # dominated by fast, and not told apart from it
        *measured("small", 2.0, 6, 750),
        *measured("lean", 1.5, 12, 300),
        *measured("wrong", 5.0, 5, 200, share=0.9, lower=0.88),
        unavailable={case("fp16"): "fp16 is made for a CUDA device"},
        failed={case("broken"): "top-1 differs on 200 of 500 images"},
    )


@pytest.mark.parametrize(
    ("need", "best"), [("latency", "fast"), ("size", "small"), ("memory", "lean")]
)
def test_the_best_for_each_need(report, need, best):
    (choice,) = choose(report, need, 0.96)
    assert choice.best == case(best)
    assert set(choice.front) == {case(name) for name in ("fast", "small", "lean")}


def test_every_other_case_has_its_reason(report):
    (choice,) = choose(report, "latency", 0.96)
    assert set(choice.out) == {
        case(name) for name in ("fp32", "nearly", "small", "lean", "wrong", "fp16", "broken")
    }
    assert choice.out[case("wrong")] == "agrees on 90.0%, and 96.0% is asked"
    assert choice.out[case("small")] == "slower: 50.0 ms (2.00x) against 33.3 ms (3.00x)"
    assert choice.out[case("fp32")].endswith("; in nothing surely better than small/cpu/b1")
    assert choice.out[case("nearly")].startswith("this run cannot distinguish it from the best")
    assert choice.out[case("nearly")].endswith("; dominated by fast/cpu/b1")
    assert choice.out[case("fp16")] == "unavailable: fp16 is made for a CUDA device"
    assert choice.out[case("broken")].startswith("failed: top-1 differs")


def test_what_failed_in_a_later_test_is_not_recommended(report):
    report["vitbench"]["failed"][case("fast")] = "its worker was killed"
    (choice,) = choose(report, "latency", 0.96)
    assert choice.best == case("nearly")
    assert choice.out[case("fast")] == "failed: its worker was killed"


def test_a_lower_demand_lets_in_what_agrees_less(report):
    (choice,) = choose(report, "latency", 0.9)
    assert choice.best == case("wrong")
    assert "not proven yet" in choice.sentence  # 88 % is its lower bound
    assert case("nearly") not in choice.front


def test_latency_is_compared_by_pairs_and_not_by_medians(report):
    # A neighbour slowed the machine while `fast` was timed: its pairs know, its median does not.
    next(row for row in report["benchmarks"] if row["extra_info"]["case"]["id"] == case("fast"))[
        "stats"
    ]["median"] = 0.5
    (choice,) = choose(report, "latency", 0.96)
    assert choice.best == case("fast")
    # What is shown is what the table shows.
    assert choice.sentence == "least latency: 500.0 ms (3.00x)"
    assert choice.out[case("small")] == "slower: 50.0 ms (2.00x) against 500.0 ms (3.00x)"
    assert "ms: medians of the report; ranked by the speed-up in pairs" in choices_text([choice])
    (found,) = (each for each in choice.to_json()["candidates"] if each["case"] == case("fast"))
    assert (found["latency"], found["paired"]) == (500.0, pytest.approx(33.3, abs=0.1))


def test_synthetic_weights_are_not_judged_by_agreement():
    nothing = {"share": 0.5, "lower": 0.3, "claimed": False}
    report = report_of(
        *measured("fp32", 1.0, 22, 700, **nothing), *measured("fast", 3.0, 9, 800, **nothing),
        synthetic=True,
    )  # fmt: skip
    (choice,) = choose(report, "latency", 0.96)
    assert choice.best == case("fast")
    assert "synthetic" in choice.sentence


def test_without_a_footprint_memory_cannot_be_chosen_by():
    report = report_of(benchmark_of(case("fp32")), benchmark_of(case("fast")))
    (choice,) = choose(report, "memory", 0.96)
    assert choice.best is None
    assert "test_footprint" in choice.out[case("fast")]
    (choice,) = choose(report, "latency", 0.96)
    assert choice.best == case("fast")


def test_batches_are_chosen_for_each_by_itself():
    report = report_of(
        *measured("fp32", 1, 22, 700), *measured("fast", 3, 9, 800),
        *measured("fp32", 1, 22, 700, batch=8), *measured("fast", 0.5, 9, 800, batch=8),
    )  # fmt: skip
    assert [each.best for each in choose(report, "latency", 0.96)] == [
        case("fast"),
        case("fp32", 8),
    ]


def test_a_report_without_timings_is_refused():
    with pytest.raises(UserError, match="no paired timings"):
        choose(report_of(benchmark_of(case("fp32"), "footprint")), "latency", 0.96)


def test_the_command_says_it_as_text_and_as_json(report, tmp_path, capsys):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    assert main(["best", str(path), "--need=size"]) == 0
    told = capsys.readouterr().out
    assert f"{TINY}, batch 1, need: size\n  best: small/cpu/b1: least size: 6.00 MB" in told
    assert "out: wrong/cpu/b1: agrees on 90.0%" in told
    assert main(["best", str(path), "--json"]) == 0
    (choice,) = json.loads(capsys.readouterr().out)
    assert choice["best"] == case("fast")
    path.write_text(json.dumps(report_of(*measured("fp32", 1, 22, 700, share=0.5, lower=0.4))))
    assert main(["best", str(path)]) == 1
    assert "none: no variant is left" in capsys.readouterr().out


def test_the_best_of_an_incomplete_report_is_said_to_be_that(report, tmp_path, capsys):
    path = tmp_path / "report.json"
    for complete in (True, False):
        report["vitbench"]["complete"] = complete
        path.write_text(json.dumps(report))
        assert main(["best", str(path)]) == 0
        assert ("INCOMPLETE: the run was cut short" in capsys.readouterr().out) is not complete
        assert main(["best", str(path), "--json"]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out)
        assert ("INCOMPLETE" in told.err) is not complete


@pytest.mark.parametrize("value", ["96", "-0.1", "most"])
def test_a_share_is_from_0_to_1(value, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["best", "report.json", f"--min-agreement={value}"])
    assert stopped.value.code == 4
    assert "is no share: give a number from 0 to 1" in capsys.readouterr().err


def test_the_plot_is_one_page_that_needs_no_network(report, tmp_path):
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    choices = choose(report, "latency", 0.96)
    plot_choices(choices, tmp_path / "best.html")
    page = (tmp_path / "best.html").read_text()
    assert "fast/cpu/b1" in page.replace("\\u002f", "/")
    assert "<script src=" not in page
    with pytest.raises(UserError, match="cannot write there"):
        plot_choices(choices, tmp_path / "none" / "best.html")


@pytest.mark.parametrize(
    ("latencies", "ticks"),
    [
        ((20.0, 50.0), [20, 30, 40, 50]),
        ((3.0, 400.0), [5, 10, 20, 50, 100, 200]),
        ((25.0,), [20, 30]),
        ((20.5, 29.0), None),
        ((0.0,), None),
    ],
)
def test_the_axis_of_the_plot_has_labels_where_the_latencies_lie(
    report, tmp_path, latencies, ticks
):
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    (choice,) = choose(report, "latency", 0.96)
    found = tuple(
        replace(choice.candidates[0], figures={"latency": each, "size": 6.5}) for each in latencies
    )
    plot_choices([replace(choice, candidates=found)], tmp_path / "best.html")
    axis = re.search(r'"tickvals":\[([\d.,e+-]*)\]', (tmp_path / "best.html").read_text())
    if ticks is None:
        assert axis is None  # plotly's own
    else:
        assert set(ticks) <= {float(tick) for tick in axis[1].split(",")}


def test_control_characters_of_a_report_have_no_effect(report):
    report["vitbench"]["failed"][case("broken")] = "\x1b[31mred"
    assert "\x1b" not in choices_text(choose(report, "latency", 0.96))


def test_the_page_names_what_else_is_on_the_front(report):
    (told,) = recommendations(choose(report, "latency", 0.96))
    assert "fast/cpu/b1: least latency" in told
    assert ". Also on the front: small/cpu/b1, lean/cpu/b1" in told
    assert BESIDE["agreement"] == [("state", "limits", None)]  # a contract is a project's
