"""What a run of many hosts leaves: a report for each host, the table, and the live view."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.helpers.reports import TINY, benchmark_of, report_of
from vitbench.fleet.live import grid
from vitbench.fleet.plan import FleetPlan, HostClass, Task
from vitbench.fleet.receipts import FAILED, MEASURED, UNAVAILABLE, Receipt, Receipts
from vitbench.fleet.reports import report_words, write_class_reports, write_reports
from vitbench.fleet.run import FleetState
from vitbench.fleet.schedule import Assignment, Host
from vitbench.fleet.slow import slow_words
from vitbench.fleet.table import fleet_text
from vitbench.fleet.verdicts import verdicts_text
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
        "hosts of one class: `vitbench merge` makes one report of theirs",
    ]


def test_the_report_of_a_host_with_all_cases_is_that_of_the_options(tmp_path):
    receipts = kept(tmp_path, *(receipt(case, "one") for case in CLASS.cases))
    (one,) = write_reports(receipts, tmp_path / "reports")
    run = run_of(read_report(one.file))
    assert (run.complete, run.selected) == (True, ["-k x"])


def test_a_verification_has_one_report_a_class_and_names_what_is_incomplete(tmp_path):
    kept_ = kept(tmp_path, receipt(FP32, "one"), receipt(INT8, "two"))
    lost = {Task(CLASS.key, ORT): "INCOMPLETE: 8 of 16 images are in no shard (0 to 7): one: x"}
    (whole,) = write_class_reports(kept_, tmp_path / "reports", lost)
    assert (whole.host, whole.file) == ("one, two", tmp_path / "reports" / "run-7.json")
    found = read_report(whole.file)
    assert [row.case.id for row in rows(found)] == [FP32, INT8]
    assert run_of(found).failed == {ORT: lost[Task(CLASS.key, ORT)]}
    assert not run_of(found).complete
    text = verdicts_text(PLAN, kept_.found, lost)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"{INT8} KEPT 500 99.60% 98.74% 71.20% 90.00% 3.42 x" in lines
    assert f"{ORT} INCOMPLETE" in lines
    assert f"{ORT}: {lost[Task(CLASS.key, ORT)]}" in lines


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


OTHER = replace(CLASS, key="bbbbbbbb", name="large", cases=(FP32, INT8))


def text_of(folder: Path, plan: FleetPlan, lost: dict[Task, str], *found: Receipt) -> str:
    """What the command prints, with one space between cells."""
    receipts = Receipts(folder / "run-7")
    receipts.keep_plan(plan)
    for each in found:
        receipts.keep(each)
    text = fleet_text(plan, receipts.found, lost, write_reports(receipts, folder / "reports"))
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def test_the_table_has_the_figures_of_each_class_whatever_host_has_them(tmp_path):
    plan = FleetPlan((), (CLASS, OTHER))
    lost = {Task(OTHER.key, INT8): "three: the host died"}
    on_other = replace(receipt(FP32, "three"), task=Task(OTHER.key, FP32))
    of_two = receipt(ORT, "two", UNAVAILABLE, why="no onnxruntime")
    failed = receipt(BF16, "two", FAILED, why="it is \x1b[31mBROKEN")
    found = (receipt(FP32, "one"), receipt(INT8, "two"), of_two, failed, on_other)
    text = text_of(tmp_path, plan, lost, *found)
    assert "A: small\n" in text
    assert "run-7-one.json, " in text
    assert "\nB: large\n" in text
    assert "case A ms speed-up limits B ms speed-up limits" in text
    assert "fp32/cpu/b1 20.0 reference KEPT 20.0 reference KEPT" in text
    assert "int8/cpu/b1 20.0 3.42x KEPT LOST" in text
    assert "ort/cpu/b1 unavailable" in text
    assert "bf16/cpu/b1 failed" in text
    assert "best of A: int8/cpu/b1" in text, "of all hosts of the class"
    assert f"Failed:\n{BF16} on small (two): it is " in text
    assert f"Unavailable:\n{ORT} on small (two): no onnxruntime" in text
    assert f"Lost:\n{INT8} on large: three: the host died" in text
    assert "\x1b" not in text


def test_receipts_that_are_no_one_report_are_in_the_table_all_the_same(tmp_path):
    """Of a host: how its cases ended. Of two hosts: the figures of each."""
    receipts = receipt(FP32, "one"), receipt(INT8, "one", commit="def")
    assert "int8/cpu/b1 measured" in text_of(tmp_path / "one", PLAN, {}, *receipts)
    receipts = receipt(FP32, "one"), receipt(INT8, "two", commit="def")
    assert "int8/cpu/b1 20.0 3.42x KEPT" in text_of(tmp_path / "two", PLAN, {}, *receipts)


def slowed(found: Receipt, times: float) -> Receipt:
    """A receipt whose reference took so many times the 70 ms of the others."""
    (row,) = found.report["benchmarks"]
    row["extra_info"]["reference"]["rounds"] = [0.07 * times] * 2
    return found


def test_a_host_that_is_slower_than_its_class_is_named():
    def said(*found: Receipt) -> list[str]:
        return [*slow_words(PLAN, {each.task: each for each in found})]

    one, unavailable = receipt(FP32, "one"), receipt(ORT, "two", UNAVAILABLE)
    assert said(one, slowed(receipt(INT8, "two"), 1.24), unavailable) == []
    assert said(one, slowed(receipt(INT8, "two"), 2.0), unavailable) == [
        "two is slow: the timing reference takes 1.99 times what it takes on other hosts of small "
        f"({TINY}, batch 1: 140 ms against 70.5 ms): its speed-ups were taken in pairs, its times "
        "are its own"
    ]
    assert said(slowed(receipt(INT8, "two"), 2.0)) == [], "nothing to compare with"
    other = replace(slowed(receipt(INT8, "two"), 2.0), task=Task(OTHER.key, INT8))
    assert said(one, other) == [], "another class"


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
