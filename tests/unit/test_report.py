"""Reading a report, on reports written by hand."""

import copy
import json
import os
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.helpers.reports import TINY, a_report, benchmark_of, report_of
from vitbench.errors import UserError
from vitbench.report import schema
from vitbench.report.files import write
from vitbench.report.reader import misfits, read_report, rows
from vitbench.report.schema import SCHEMA_VERSION, json_schema
from vitbench.report.sound import left_out

SCHEMA = json_schema()
PUBLISHED = Path(schema.__file__).with_name("report.schema.json")


def edited(path, value, report=None):
    """A report with one place set, or removed where `value` is ..."""
    report = copy.deepcopy(report or a_report())
    *way, last = path
    place = report
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return report


EXTRA = ("benchmarks", 1, "extra_info")
WRONG = [
    (("benchmarks",), "none", "benchmarks should be array, but is string"),
    (("benchmarks",), ..., "lacks 'benchmarks'"),
    (("benchmarks", 0), [], "benchmarks[0] should be object"),
    (("vitbench", "models", TINY, "weights", "synthetic"), 0, "synthetic should be boolean"),
    (("vitbench", "failed"), {"a": 1}, "failed.a should be string"),
]

WRONG_BENCHMARKS = [
    (("benchmarks", 0, "group"), "speed", "benchmarks[0].group is 'speed'"),
    (("benchmarks", 0, "stats", "median"), None, "benchmarks[0].stats.median should be number"),
    ((*EXTRA, "case", "batch"), 0, "batch is 0, but should be at least 1"),
    ((*EXTRA, "case", "batch"), True, "batch should be integer, but is boolean"),
    ((*EXTRA, "ratio"), ..., "lacks 'ratio'"),
    ((*EXTRA, "ratio", "low"), "x", "ratio.low should be number or null, but is string"),
    ((*EXTRA, "agreement", "state"), "FINE", "state is 'FINE'"),
    ((*EXTRA, "predictions", "top1"), [1, 2.5], "predictions.top1[1] should be integer"),
    (("benchmarks", 3, "extra_info", "load_seconds"), ..., "lacks 'load_seconds'"),
]


@pytest.fixture
def written(tmp_path):
    def write(report):
        path = tmp_path / "report.json"
        path.write_text(report if isinstance(report, str) else json.dumps(report))
        return path

    return write


def test_the_published_schema_is_what_the_types_say():
    command = "python -m vitbench.report.schema > vitbench/report/report.schema.json"
    assert json.loads(PUBLISHED.read_text()) == SCHEMA, command


def test_a_report_is_read_as_it_was_written(written):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(a_report(), SCHEMA)
    assert read_report(written(a_report())) == a_report()


def test_a_report_is_written_in_one_step_with_its_folder(tmp_path):
    path = tmp_path / "new" / "report.json"
    write(path, json.dumps(a_report()))
    assert read_report(path) == a_report()
    (tmp_path / "full.json").mkdir()
    with pytest.raises(UserError, match=r"full\.json: cannot write it"):
        write(tmp_path / "full.json", "{}")
    assert not list(tmp_path.rglob("*.partial"))


def test_what_is_no_plain_file_is_written_through(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", "a")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "a"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, "b")
        assert os.read(reader, 9) == b"b"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(("path", "value", "words"), WRONG)
def test_what_does_not_fit_is_named(written, path, value, words):
    report = edited(path, value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)
    file = written(report)
    with pytest.raises(UserError) as caught:
        read_report(file)
    assert str(file) in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(("path", "value", "words"), WRONG_BENCHMARKS)
def test_a_benchmark_that_does_not_fit_is_left_out_and_named(written, path, value, words):
    report = edited(path, value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)
    file = written(report)
    found = read_report(file)
    (out,) = left_out(found)
    assert str(file) in out.why
    assert words in out.why
    others = [each for index, each in enumerate(report["benchmarks"]) if index != path[1]]
    assert found["benchmarks"] == others


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("{", "not JSON"),
        (json.dumps(a_report())[:-40], "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "should be object, but is array"),
        ("null", "should be object, but is null"),
        ("{}", "lacks 'benchmarks'"),
    ],
)
def test_a_damaged_file(written, text, words):
    file = written(text)
    with pytest.raises(UserError, match=words) as caught:
        read_report(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(UserError, match=r"missing\.json.*No such file"):
        read_report(tmp_path / "missing.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"bytes\.json.*not UTF-16 text.*PowerShell.*UTF-8"):
        read_report(tmp_path / "bytes.json")
    (tmp_path / "latin.json").write_bytes('{"benchmarks": "é"}'.encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.json.*not UTF-8 text"):
        read_report(tmp_path / "latin.json")


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), [{"a": 2**1024}]], ids=["large", "negative", "nested"]
)
def test_a_number_beyond_a_float_is_named(written, value):
    words = " digits, beyond a float's range"
    with pytest.raises(UserError, match=rf"cpu.*{words}") as caught:
        read_report(written(edited(("machine_info", "cpu"), value)))
    assert len(str(caught.value)) < 300
    (out,) = left_out(read_report(written(edited(("benchmarks", 0, "stats", "median"), value))))
    assert re.search(rf"median.*{words}", out.why)
    assert len(out.why) < 300


def test_the_largest_float_is_a_number_still(written):
    report = edited(("machine_info", "cpu"), int(sys.float_info.max))
    assert read_report(written(report)) == report


@pytest.mark.parametrize("path", [("vitbench", "schema"), (*EXTRA, "schema")])
def test_a_newer_schema_is_named_before_its_shape_is_judged(written, path):
    report = edited(path, 7)
    del report["vitbench"]["models"]
    with pytest.raises(UserError, match=rf"schema is 7, .* reads up to {SCHEMA_VERSION}"):
        read_report(written(report))


def test_every_older_schema_is_read(written):
    for version in range(1, SCHEMA_VERSION + 1):
        report = edited((*EXTRA, "schema"), version)
        report["vitbench"]["schema"] = version
        assert len(rows(read_report(written(report)))) == 2


@pytest.mark.parametrize("id", ["deit/fp32/cpu", "deit/fp32/cpu/b0", "[red]x/fp32/tpu/b1"])
def test_an_id_that_is_no_case_id(written, id):
    for report in (
        edited((*EXTRA, "case", "id"), id),
        edited(("vitbench", "unavailable"), {id: ""}),
    ):
        file = written(report)
        with pytest.raises(UserError, match="not a case id") as caught:
            read_report(file)
        assert str(file) in str(caught.value)


def test_a_plain_pytest_benchmark_file_has_no_rows(written):
    plain = {"benchmarks": [{"group": None, "stats": {"median": 1.0}, "extra_info": {"case": 3}}]}
    jsonschema.validate(plain, SCHEMA)
    assert rows(read_report(written(plain))) == []


def test_benchmarks_of_one_case_are_joined_in_order_of_appearance():
    report = a_report()
    first, second = rows(report)
    assert (first.case.variant, second.case.variant) == ("fp32", "int8-dynamic")
    assert list(first.benchmarks) == ["latency"]
    assert second.benchmarks == dict(
        zip(("latency", "throughput", "footprint"), report["benchmarks"][1:], strict=True)
    )
    assert second.timed.ratio.speedup == 3.42


def test_timed_is_throughput_where_latency_did_not_run():
    case = f"{TINY}/fp32/cpu/b8"
    (row,) = rows(report_of(benchmark_of(case, "throughput")))
    assert row.timed.case.id == case
    (row,) = rows(report_of(benchmark_of(case, "footprint")))
    assert row.timed is None


def test_the_reader_agrees_with_the_published_schema():
    """Each place of a report in turn set to a value of each kind: both find fault, or neither."""
    validator = jsonschema.Draft202012Validator(SCHEMA)

    def places(value, path=()):
        if path:
            yield path
        items = value.items() if isinstance(value, dict) else ()
        items = enumerate(value) if isinstance(value, list) else items
        for key, member in items:
            yield from places(member, (*path, key))

    latency, *_, footprint = a_report()["benchmarks"]
    small = report_of(latency, footprint)
    tried = 0
    for path in places(small):
        for value in ({}, "x", True, 3, 2.5, None, ...):
            report = edited(path, value, small)
            assert (misfits(report) != ("", {})) is not validator.is_valid(report), (path, value)
            tried += 1
    assert tried > 500
