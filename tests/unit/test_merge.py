"""`vitbench merge`: reports of parallel jobs as one, and what every command makes of it."""

import hashlib
import json
from copy import deepcopy
from pathlib import Path

import pytest

from tests.helpers.load_rows import loaded
from tests.helpers.reports import TINY, agreement_of, benchmark_of, ratio_of, report_of
from vitbench.cli.main import main
from vitbench.report.hardware import IDENTITY
from vitbench.report.machine import classes, follows, with_weights
from vitbench.report.reader import read_report, run_of

ROOT = Path(__file__).resolve().parents[2]
WHOLE = sorted((ROOT / "reports/example").glob("*.json"))[-3:] + sorted(
    (ROOT / "tests/golden").glob("schema-?.json")
)
FP32, INT8, ORT, BF16 = (
    f"{TINY}/{name}/cpu/b1" for name in ("fp32", "int8-dynamic", "ort-fp32", "bf16")
)
ITSELF = agreement_of(lower=1.0, upper=1.0, share=1.0)
MACHINE = {"cpu": {"model": "EPYC", "isa": ["avx2"]}, "cores": 2, "quota": None, "gpus": [],
           "threads": 2, "weights": {TINY: "0123456789abcdef" * 4}, "variables": {},
           "versions": {"torch": "2.12.1", "numpy": "2.4.6"}}  # fmt: skip


def shard(*benchmarks, words=("-k a",), when="2026-01-01T00:00:00+00:00", node="host-a", **changes):
    found = report_of(*benchmarks, selected=list(words), **{"schema": 2, **changes})
    identity = {key: MACHINE[key] for key in (*IDENTITY, "weights")}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    about = {**MACHINE, "fingerprint": digest}
    about["classes"] = classes(about)
    found["machine_info"] = {"node": node, "vitbench": about}
    return deepcopy(found | {"datetime": when})


@pytest.fixture
def three():
    """fp32 and its null arm in a; the reference again in b, as `--variant` does; ORT in c."""
    again = benchmark_of(FP32, seconds=0.08, ratio=ratio_of(1.1, 1.05, 1.15), agreement=ITSELF)
    return {
        "a.json": shard(
            benchmark_of(FP32, seconds=0.07, agreement=ITSELF),
            benchmark_of(INT8),
            benchmark_of(INT8, "footprint", seconds=0.3),
        ),
        "b.json": shard(
            again, benchmark_of(BF16, seconds=0.04), loaded(BF16, 40.0),
            words=("-k b",), node="host-b", when="2026-01-01T03:00:00+00:00",
            unavailable={ORT: "onnxruntime is not installed", f"{TINY}/x/cpu/b1": "no GPU"},
        ),
        "c.json": shard(
            benchmark_of(ORT, seconds=0.05), words=("-k c",), node="host-c",
            failed={f"{TINY}/y/cpu/b1": "it died"},
        ),
    }  # fmt: skip


@pytest.fixture
def merge(tmp_path, capsys, monkeypatch):
    """What `vitbench merge` answers for reports: exit code, what it prints, and the report."""
    monkeypatch.chdir(tmp_path)

    def run(reports, *options, output="out/merged.json"):
        for name, each in reports.items():
            (tmp_path / name).write_text(json.dumps(each))
        code = main(["merge", *reports, f"--output={output}", *options])
        told = capsys.readouterr()
        path = tmp_path / output
        return code, told.out + told.err, json.loads(path.read_text()) if path.exists() else None

    return run


def said(capsys, *words):
    code = main([*words])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_each_report_gives_its_cases_and_is_named(merge, three, capsys):
    code, told, found = merge(three)
    assert code == 0
    assert "merged from a.json: 3 benchmarks, taken on host-a until 2026-01-01 00:00 UTC" in told
    assert "merged from b.json: 2 benchmarks" in told
    assert (
        f"note: {ORT} is unavailable in b.json (onnxruntime is not installed): c.json has" in told
    )
    names = [(x["extra_info"]["case"]["id"], x["group"]) for x in found["benchmarks"]]
    assert names == [
        (FP32, "latency"), (INT8, "latency"), (INT8, "footprint"), (BF16, "latency"),
        (BF16, "load"), (ORT, "latency"),
    ]  # fmt: skip
    run = run_of(read_report(Path("out/merged.json")))
    assert run.unavailable == {f"{TINY}/x/cpu/b1": "no GPU"}
    assert run.failed == {f"{TINY}/y/cpu/b1": "it died"}
    assert run.selected == ["-k a", "-k b", "-k c"]
    assert found["datetime"] == "2026-01-01T03:00:00+00:00"
    a, b, _ = run.merged.sources
    assert (b.node, b.not_taken, [*b.null_arms]) == (
        "host-b", [(FP32, "latency")], [f"{FP32} latency"],
    )  # fmt: skip
    assert len(a.sha256) == 64
    _, table = said(capsys, "show", "out/merged.json")
    table = " ".join(table.split())  # however wide the terminal is
    assert "batch 1, in a.json (fp32 against a second copy): 1.002x" in table
    assert "batch 1, in b.json (fp32 against a second copy): 1.100x" in table
    assert "so this run is biased" in table
    assert f"no null arm of {TINY} on cpu, in c.json: this run does not tell" in table
    assert "merged from c.json: 1 benchmark, taken on host-c" in table


def test_a_case_that_any_job_has_unfinished_is_not_hidden(merge, three):
    three["b.json"]["vitbench"]["complete"] = False
    three["b.json"]["vitbench"]["failed"] = {INT8: "killed"}
    _, told, found = merge(three)
    assert "INCOMPLETE" in told
    assert found["vitbench"]["complete"] is False
    assert found["vitbench"]["failed"].keys() == {INT8, f"{TINY}/y/cpu/b1"}


def machine(report, **changes):
    report["machine_info"]["vitbench"] |= changes


def model(report, **changes):
    report["vitbench"]["models"][TINY] |= changes


CONFLICTS = {
    "is of another machine than a.json: threads 2 -> 4": lambda r: machine(r, threads=4),
    "is of another machine than a.json: cpu EPYC (avx2) -> Xeon (avx2)": lambda r: machine(
        r, cpu={"model": "Xeon", "isa": ["avx2"]}
    ),
    "is of commit abd, and a.json of commit abc": lambda r: r.update(commit_info={"id": "abd"}),
    "is of commit abc with changed files, and a.json of commit abc": lambda r: r[
        "commit_info"
    ].update(dirty=True),
    "has other versions than a.json: torch 2.12.1 -> 2.14.1": lambda r: machine(
        r, versions={"torch": "2.14.1", "onnx": "1.19"}
    ),
    "has other versions than a.json: vitbench 0.1.0 -> 0.2.0": lambda r: r["vitbench"].update(
        version="0.2.0"
    ),
    "had other environment variables than a.json: OMP_NUM_THREADS none -> 1": lambda r: machine(
        r, variables={"OMP_NUM_THREADS": "1"}
    ),
    "had other options than a.json: --reference fp32 -> bf16": lambda r: r["vitbench"].update(
        reference="bf16"
    ),
    "has other weights of deit": lambda r: model(
        r, weights=r["vitbench"]["models"][TINY]["weights"] | {"sha256": "f" * 64}
    ),
    "has other heads of deit": lambda r: model(r, head="multi-label"),
    "has other settings of deit": lambda r: model(r, architecture={"depth": 6}),
    "has other images of deit": lambda r: r["vitbench"]["images"].update(sha256="e" * 64),
    "has the price x:2/h, and a.json no price: give all one": lambda r: r["vitbench"].update(
        price={"name": "x", "per_hour": 2.0, "origin": "--price"}
    ),
    f"the agreement reference of {TINY} answers 1 of 2 images in b.json otherwise than": lambda r: (
        r["benchmarks"][0]["extra_info"]["predictions"].update(top1=[1, 3])
    ),
    f"b.json and a.json both have {INT8} (latency), with other figures: leave one": lambda r: r[
        "benchmarks"
    ].append(benchmark_of(INT8, seconds=0.03)),
}


@pytest.mark.parametrize(("words", "change"), CONFLICTS.items(), ids=range(len(CONFLICTS)))
def test_what_does_not_belong_together_is_named(merge, three, words, change):
    change(three["b.json"])
    code, told, found = merge(three)
    assert (code, found) == (4, None)
    assert words in told
    assert told.count("\n") == 2, "this alone"


def test_every_conflict_is_named(merge, three):
    for change in CONFLICTS.values():
        change(three["b.json"])
    assert merge(three)[1].count("\n") > 9


def test_a_package_that_one_job_lacks_is_no_other_version(merge, three):
    machine(three["c.json"], versions={**MACHINE["versions"], "onnxruntime": "1.23.2"})
    found = merge(three)[2]
    assert found["machine_info"]["vitbench"]["versions"]["onnxruntime"] == "1.23.2"


def test_a_case_twice_counts_once_where_the_figures_are_the_same(merge, three):
    three["b.json"]["benchmarks"].append(deepcopy(three["a.json"]["benchmarks"][1]))
    code, _, found = merge(three)
    assert code == 0
    assert len(found["benchmarks"]) == 6


def test_the_newest_figures_count_where_the_user_says_so(merge, three):
    three["b.json"]["benchmarks"].append(benchmark_of(INT8, seconds=0.03))
    code, _, found = merge(three, "--keep=newest")
    medians = {
        (x["extra_info"]["case"]["id"], x["group"]): x["stats"]["median"]
        for x in found["benchmarks"]
    }
    assert code == 0
    assert medians[INT8, "latency"] == 0.03
    assert medians[FP32, "latency"] == 0.07, "the reference runs along in each"


def test_one_price_for_all(merge, three):
    three["b.json"]["vitbench"]["price"] = {"name": "x", "per_hour": 2.0, "origin": "--price"}
    code, _, found = merge(three, "--price=y:3.6/h")
    assert code == 0
    assert found["vitbench"]["price"]["name"] == "y"
    bought = {x["extra_info"]["price"]["per_hour"] for x in found["benchmarks"][:2]}
    assert bought == {3.6}


def test_models_of_their_own_jobs_have_the_class_of_their_own_reports(merge, three):
    """A job for each model, as `--model` does."""
    other = json.loads(json.dumps(three["c.json"]).replace(TINY, "mine"))
    weights = {"mine": "fedc" * 16}
    other["machine_info"]["vitbench"] |= {"weights": weights}
    assert (
        "a fingerprint is of something that"
        in merge({"a.json": three["a.json"], "c.json": other})[1]
    )
    about = with_weights(three["a.json"]["machine_info"]["vitbench"], weights)
    other["machine_info"]["vitbench"] = about
    found = merge({"a.json": three["a.json"], "c.json": other})[2]["machine_info"]["vitbench"]
    assert found["classes"] == {
        **three["a.json"]["machine_info"]["vitbench"]["classes"], **about["classes"],
    }  # fmt: skip
    assert follows(found)


def test_a_merged_report_is_merged_again(merge, three):
    first = {name: three[name] for name in ("a.json", "b.json")}
    merge(first, output="ab.json")
    again = merge({"ab.json": json.loads(Path("ab.json").read_text()), "c.json": three["c.json"]})
    at_once = merge(three, output="out/other.json")
    assert again[2] == at_once[2]


def test_the_whole_suite_is_what_so_many_reports_are(merge, three, capsys):
    code, told, _ = merge(three, "--whole=4")
    assert code == 4
    assert "--whole=4: there are 3 different reports: name all 4, or leave --whole out" in told
    copied = {**three, "d.json": three["c.json"]}
    assert "there are 3 different reports" in merge(copied, "--whole=4")[1]
    assert merge(three, "--whole=3")[2]["vitbench"]["selected"] == []
    del three["b.json"]
    later = "2026-01-02T00:00:00+00:00"
    for each in three.values():
        each["datetime"] = later
    code, _, _ = merge(three, "--whole=2", output="out/later.json")
    assert code == 0
    code, told = said(capsys, "gate", "out/later.json", "--baseline=out/merged.json")
    assert code == 3
    assert "MISSING" in next(line for line in told.splitlines() if BF16 in line)


def test_what_cannot_be_merged_is_refused(merge, three, capsys):
    plain = {"benchmarks": [], "datetime": "2026-01-01", "machine_info": {}, "version": "5"}
    assert "b.json: the report says nothing of its run" in merge({**three, "b.json": plain})[1]
    duet = deepcopy(three["b.json"])
    duet["vitbench"]["duet"] = {"verdicts": []}
    assert "b.json: it is the report of a duet" in merge({**three, "b.json": duet})[1]
    undated = {k: v for k, v in three["b.json"].items() if k != "datetime"}
    assert "b.json: it has no `datetime`" in merge({**three, "b.json": undated})[1]
    assert "merge takes two reports or more" in merge({"a.json": three["a.json"]})[1]
    assert "that is one of the reports: name another file" in merge(three, output="a.json")[1]
    assert (
        "a.json: the report is named twice"
        in said(capsys, "merge", "a.json", "./a.json", "--output=x.json")[1]
    )


def test_a_history_would_count_twice_what_lies_beside_it(merge, three):
    beside = "note: a history of . would count the cases of a.json, b.json, c.json twice"
    assert beside in merge(three, output="here.json")[1]
    assert "note: a history" not in merge(three)[1]


@pytest.mark.parametrize("file", WHOLE, ids=lambda path: path.stem)
def test_a_run_in_parts_is_the_run_to_every_command(merge, file, capsys, monkeypatch):
    """A real report, cut into a part for every third benchmark, and merged."""
    monkeypatch.setenv("COLUMNS", "2000")
    report = json.loads(file.read_text())
    parts = {
        f"{index}.json": {**report, "benchmarks": report["benchmarks"][index::3]}
        for index in range(3)
    }
    code, _, found = merge(parts)
    assert code == 0
    ordered = [each for part in parts.values() for each in part["benchmarks"]]
    Path("one.json").write_text(json.dumps({**report, "benchmarks": ordered}))
    assert found["benchmarks"] == ordered
    for words in (
        ["best", "X", "--json"],
        ["best", "X", "--need=cost", "--price=x:1/h"],
        ["gate", "X", f"--baseline={WHOLE[0]}", "--json=verdicts.json"],
        ["compare", str(WHOLE[0]), "X"],
        ["show", "X"],
    ):
        answers = []
        for name in ("one.json", "out/merged.json"):
            code, told = said(capsys, *[name if word == "X" else word for word in words])
            lines = told.replace(name, "X").splitlines()
            answers.append((code, [x for x in lines if "null arm" not in x and "merged" not in x]))
        if words[0] != "show":
            assert answers[0] == answers[1]
        assert {*answers[0][1]} - {*answers[1][1]} == set()
