"""Reading a report, on reports written by hand."""

import copy
import json

import jsonschema
import pytest

from vitbench.errors import UserError
from vitbench.judge import report as judged
from vitbench.judge.baseline import write
from vitbench.judge.report import read_report, rows
from vitbench.judge.shape import misfits

SCHEMA = json.loads(judged._SCHEMA.read_text())
TINY = "deit_tiny_patch16_224"


def agreement_of(**changes):
    return {
        "state": "KEPT", "sentence": "int8 on cpu: KEPT", "matched": 498, "images": 500,
        "effective_images": 500.0, "share": 0.996, "lower": 0.9874, "upper": 0.9993,
        "cosine": 0.99912, "relative_error": 0.031, "top1": 0.712, "top5": 0.9,
        "reference_top1": 0.722, "claimed": True, **changes,
    }  # fmt: skip


def ratio_of(speedup=3.42, low=3.35, high=3.5, detectable=0.009, **changes):
    return {
        "speedup": speedup, "low": low, "high": high, "standard_error": 0.01,
        "detectable": detectable, "batches": 20, "rounds": 40, **changes,
    }  # fmt: skip


def benchmark_of(case, group="latency", seconds=0.02, ratio=None, agreement=None):
    """One benchmark as fixtures/measuring.py writes it. fp32 is its own null arm."""
    model, variant, device, batch = case.split("/")
    extra = {
        "schema": 1,
        "case": {
            "id": case, "model": model, "variant": variant, "device": device,
            "batch": int(batch[1:]),
        },
        "artifact": {
            "bytes": 6_500_000, "sha256": "a" * 64, "suffix": ".pt", "build_seconds": 1.5,
            "built": True,
        },
    }  # fmt: skip
    if group == "footprint":
        extra |= {
            "build_seconds": 1.5, "load_seconds": 0.25, "first_inference_seconds": 0.08,
            "peak_memory_bytes": 612_000_000, "baseline_memory_bytes": 400_000_000,
            "cuda_peak_bytes": None,
        }  # fmt: skip
    else:
        null_arm = variant == "fp32"
        extra |= {
            "reference": {"variant": "fp32", "null_arm": null_arm, "rounds": [0.07, 0.071]},
            "ratio": ratio or (ratio_of(1.002, 0.995, 1.009) if null_arm else ratio_of()),
            "agreement": agreement or agreement_of(),
            "predictions": {"images": ["a", "b"], "top1": [1, 2], "margin": [0.1, 3.0]},
            "roofline": {"operations": 10**10, "peak_per_second": 2e12, "share": 0.25},
            "p95_seconds": seconds * 1.2, "p99_seconds": seconds * 1.3,
            "images_per_second": int(batch[1:]) / seconds,
        }  # fmt: skip
    return {
        "group": group, "name": f"test_{group}[{case}]", "params": {"case": case},
        "stats": {"data": [seconds, seconds], "median": seconds, "mean": seconds},
        "extra_info": extra,
    }  # fmt: skip


def report_of(*benchmarks, models=(TINY,), synthetic=False, **changes):
    """A report around benchmarks; `changes` to its `vitbench` part."""
    weights = {
        "origin": "seeded" if synthetic else "bundled", "sha256": "0123456789abcdef" * 4,
        "file_sha256": None, "synthetic": synthetic, "note": "trained on 20 classes",
    }  # fmt: skip
    model = {"spec": "timm:x", "architecture": {"depth": 12}, "weights": weights, "labels": 20}
    return {
        "machine_info": {"node": "here"}, "commit_info": {"id": "abc"}, "version": "5.3.1",
        "datetime": "2025-01-01T00:00:00", "benchmarks": list(benchmarks),
        "vitbench": {
            "schema": 1, "version": "0.1.0", "complete": True, "threads": 2, "reference": "fp32",
            "models": dict.fromkeys(models, model),
            "images": {
                "source": "tiny-imagenet-20", "count": 500, "photographs": 500,
                "sha256": "fedcba9876543210" * 4, "labelled": True,
            },
            "unavailable": {}, "failed": {}, **changes,
        },
    }  # fmt: skip


def a_report():
    return report_of(
        benchmark_of(f"{TINY}/fp32/cpu/b1", seconds=0.07),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1"),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", "throughput", seconds=0.021),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", "footprint", seconds=0.33),
    )


def edited(path, value):
    """A report with one place set, or removed where `value` is ..."""
    report = copy.deepcopy(a_report())
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
    (("benchmarks", 0, "group"), "speed", "benchmarks[0].group is 'speed'"),
    (("benchmarks", 0, "stats", "median"), None, "benchmarks[0].stats.median should be number"),
    ((*EXTRA, "case", "batch"), 0, "batch is 0, but should be at least 1"),
    ((*EXTRA, "case", "batch"), True, "batch should be integer, but is boolean"),
    ((*EXTRA, "ratio"), ..., "lacks 'ratio'"),
    ((*EXTRA, "ratio", "low"), "x", "ratio.low should be number or null, but is string"),
    ((*EXTRA, "agreement", "state"), "FINE", "state is 'FINE'"),
    ((*EXTRA, "predictions", "top1"), [1, 2.5], "predictions.top1[1] should be integer"),
    (("benchmarks", 3, "extra_info", "load_seconds"), ..., "lacks 'load_seconds'"),
    (("vitbench", "models", TINY, "weights", "synthetic"), 0, "synthetic should be boolean"),
    (("vitbench", "failed"), {"a": 1}, "failed.a should be string"),
]


@pytest.fixture
def written(tmp_path):
    def write(report):
        path = tmp_path / "report.json"
        path.write_text(report if isinstance(report, str) else json.dumps(report))
        return path

    return write


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
    with pytest.raises(UserError, match=r"bytes\.json.*UTF-8"):
        read_report(tmp_path / "bytes.json")


@pytest.mark.parametrize("path", [("vitbench", "schema"), (*EXTRA, "schema")])
def test_a_newer_schema_is_named_before_its_shape_is_judged(written, path):
    report = edited(path, 7)
    del report["vitbench"]["models"]
    with pytest.raises(UserError, match=r"schema is 7, .* reads up to 1"):
        read_report(written(report))


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
    assert second.timed is report["benchmarks"][1]["extra_info"]


def test_timed_is_throughput_where_latency_did_not_run():
    case = f"{TINY}/fp32/cpu/b8"
    (row,) = rows(report_of(benchmark_of(case, "throughput")))
    assert row.timed["case"]["id"] == case
    (row,) = rows(report_of(benchmark_of(case, "footprint")))
    assert row.timed is None


def test_our_reading_of_the_schema_agrees_with_jsonschema():
    """Each place of a report in turn set to a value of each kind: both find fault, or neither."""
    validator = jsonschema.Draft202012Validator(SCHEMA)

    def places(value, path=()):
        if path:
            yield path
        items = value.items() if isinstance(value, dict) else ()
        items = enumerate(value) if isinstance(value, list) else items
        for key, member in items:
            yield from places(member, (*path, key))

    tried = 0
    for path in places(a_report()):
        for value in ({}, [], "x", True, 3, 2.5, None, ...):
            report = edited(path, value)
            ours = any(misfits(report, SCHEMA, SCHEMA, "it"))
            assert ours is not validator.is_valid(report), (path, value)
            tried += 1
    assert tried > 500
