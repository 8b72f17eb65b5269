"""The table of metrics against a report: each row finds the figure it names."""

import pytest

from tests.helpers.reports import TINY, benchmark_of, report_of
from vitbench.report.fields import METRIC, METRICS
from vitbench.report.reader import rows

CASE = f"{TINY}/int8-dynamic/cpu/b8"
EXPECTED = {
    "median": 20, "p95": 24, "p99": 26, "speedup": 3.42, "throughput": 8 / 0.02,
    "agreement": 99.6, "top1": 71.2, "size": 6.5, "peak": 25,
    "build": 1.5, "load": 0.25, "first": 80,
    "memory": 612, "gpu_memory": 300, "preprocess": 3, "stage": 0.4, "device": 18,
}  # fmt: skip


@pytest.fixture
def full():
    benchmarks = [benchmark_of(CASE, group) for group in ("latency", "throughput", "footprint")]
    benchmarks[2]["extra_info"]["cuda_peak_bytes"] = 300_000_000
    benchmarks[0]["extra_info"]["stages"] = {
        "preprocess_seconds": 3e-3, "stage_seconds": 4e-4, "device_seconds": 18e-3,
    }  # fmt: skip
    (row,) = rows(report_of(*benchmarks))
    return row.benchmarks


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_finds_its_figure(full, metric):
    assert metric.value(full) == pytest.approx(EXPECTED[metric.name])


def test_names_are_unique():
    assert len(METRIC) == len(METRICS) == len(EXPECTED)


def test_intervals(full):
    assert METRIC["speedup"].interval(full) == (3.35, 3.5)
    assert METRIC["agreement"].interval(full) == pytest.approx((98.74,))
    assert METRIC["median"].interval(full) == ()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_what_a_report_lacks_is_none(metric):
    assert metric.value({}) is None
    assert all(bound is None for bound in metric.interval({}))


def test_a_null_is_none_and_a_zero_is_not(full):
    full["latency"]["extra_info"]["ratio"]["low"] = None
    full["footprint"]["extra_info"]["load_seconds"] = 0
    assert METRIC["speedup"].interval(full) == (None, 3.5)
    assert METRIC["load"].value(full) == 0


def test_the_best_group_comes_first(full):
    full["throughput"]["stats"]["median"] = 99.0
    full["latency"]["extra_info"]["images_per_second"] = 1.0
    assert METRIC["median"].value(full) == pytest.approx(20)
    assert METRIC["throughput"].value(full) == pytest.approx(400)
    del full["latency"]
    assert METRIC["median"].value(full) == pytest.approx(99_000)
