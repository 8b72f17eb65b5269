"""What a run of many hosts leaves: a report for each host, the table, and the live view."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.helpers.reports import TINY, benchmark_of, report_of
from vitbench.fleet.live import grid
from vitbench.fleet.plan import FleetPlan, HostClass, Task
from vitbench.fleet.receipts import FAILED, MEASURED, UNAVAILABLE, Receipt, Receipts
from vitbench.fleet.reports import report_words, write_reports
from vitbench.fleet.run import FleetState
from vitbench.fleet.schedule import Assignment, Host
from vitbench.fleet.table import fleet_table
from vitbench.report.reader import read_report, rows, run_of

FP32, INT8, ORT, BF16 = (f"{TINY}/{name}/cpu/b1" for name in ("fp32", "int8", "ort", "bf16"))
CLASS = HostClass("aaaaaaaa", "small", (FP32, INT8, ORT, BF16), ("-k x",))
PLAN = FleetPlan((), (CLASS,))


def receipt(case: str, host: str, state: str = MEASURED, commit: str = "abc", why: str = ""):
    """Of a process that measured this case alone."""
    told = {"schema": 2, "selected": ["-k x"]}
    if state == MEASURED:
        report = report_of(benchmark_of(case), **told)
    else:
        report = report_of(**{**told, state: {case: why}})
    report["commit_info"]["id"] = commit
    return Receipt(Task(CLASS.key, case), state, host, report, why)


def kept(folder: Path, *found: Receipt) -> Receipts:
    receipts = Receipts(folder / "run-7")
    receipts.keep_plan(PLAN)
    for each in found:
        assert receipts.keep(each)
    return receipts


def test_each_host_has_a_report_of_its_own_receipts(tmp_path):
    receipts = kept(
        tmp_path,
        receipt(INT8, "one"),
        receipt(FP32, "one"),
        receipt(ORT, "two", UNAVAILABLE, why="no onnxruntime"),
        receipt(BF16, "two", FAILED, why="BROKEN"),
    )
    one, two = write_reports(receipts, tmp_path / "reports")
    assert one.file == tmp_path / "reports" / "run-7-one.json"
    found = read_report(one.file)
    assert [row.case.id for row in rows(found)] == [FP32, INT8]  # in the order of the plan
    run = run_of(found)
    assert run.complete
    assert run.selected == ["-k x", "vitbench fleet run: 2 of 4 cases of the class"]
    run = run_of(read_report(two.file))
    assert (run.unavailable, run.failed) == ({ORT: "no onnxruntime"}, {BF16: "BROKEN"})
    assert report_words(PLAN, [one, two]) == [
        f"report: {one.file}",
        f"report: {two.file}",
        "hosts of one class: `vitbench merge` makes one report of theirs",
    ]


def test_the_report_of_a_host_with_all_cases_is_that_of_the_options(tmp_path):
    receipts = kept(tmp_path, *(receipt(case, "one") for case in CLASS.cases))
    (one,) = write_reports(receipts, tmp_path / "reports")
    run = run_of(read_report(one.file))
    assert (run.complete, run.selected) == (True, ["-k x"])


def test_a_report_is_incomplete_while_a_case_of_the_class_has_no_receipt(tmp_path):
    (one,) = write_reports(kept(tmp_path, receipt(FP32, "one")), tmp_path / "reports")
    assert not run_of(read_report(one.file)).complete


def test_receipts_of_other_commits_are_no_one_report(tmp_path):
    receipts = kept(tmp_path, receipt(FP32, "one"), receipt(INT8, "one", commit="def"))
    (one,) = write_reports(receipts, tmp_path / "reports")
    assert not one.file.exists()
    (words,) = report_words(PLAN, [one])
    assert words.startswith("no report of one: its receipts differ: ")
    assert "is of commit def" in words


def test_the_table_has_the_figures_of_each_class(tmp_path):
    other = replace(CLASS, key="bbbbbbbb", name="large")
    found = kept(tmp_path, receipt(FP32, "one"), receipt(INT8, "one")).found
    text = fleet_table(FleetPlan((), (CLASS, other)), found, {}, None)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "case small large"
    assert f"{FP32} 20.0 ms, reference" in lines
    assert f"{INT8} 20.0 ms, 3.42 x" in lines


def test_the_live_view_has_a_row_for_each_host(tmp_path):
    hosts = [Host("two", CLASS.key, "2"), Host("one", CLASS.key, "1")]
    running = (Assignment(hosts[0], Task(CLASS.key, INT8)),)
    found = kept(tmp_path, receipt(FP32, "one")).found
    state, began = FleetState(PLAN, hosts, running, found), {("two", INT8): 5.0}
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(grid(state, {"two": "building [red]x"}, began, 12.0))
    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert lines[0] == "1 of 4 cases"
    assert f"two small 0 {INT8} 7 building [red]x" in lines
    assert "one small 1 idle" in lines
