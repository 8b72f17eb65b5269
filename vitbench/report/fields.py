"""The table of metrics. It drives every table and page; a new metric is a row here.

A metric is filled by what writes its path: `stats` by pytest-benchmark, `extra_info` by
`vitbench/plugin/measuring.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

Benchmarks = Mapping[str, Mapping[str, Any]]
"""The benchmark dicts of one case, by group."""

TIMED = ("latency", "throughput")
THROUGHPUT = ("throughput", "latency")
FOOTPRINT = ("footprint",)
BUILT = (*FOOTPRINT, *TIMED)


@dataclass(frozen=True)
class Metric:
    """One figure of a case.

    `groups`: the benchmark groups that hold it, best first. `path`: keys into the benchmark's
    dict. What stands there times `scale` is in `unit`. `bounds`: paths of its interval, in the
    same unit; a lone one is a lower bound. `digits`: decimals to show.
    """

    name: str
    label: str
    unit: str
    scale: float
    groups: tuple[str, ...]
    path: str
    digits: int
    bounds: tuple[str, ...] = ()

    def value(self, benchmarks: Benchmarks) -> float | None:
        """The figure of a case in `unit`, or None where the report has none."""
        return self._read(benchmarks, self.path)

    def interval(self, benchmarks: Benchmarks) -> tuple[float | None, ...]:
        """Its bounds in `unit`, from the group that holds the value: () for a metric without."""
        return tuple(self._read(benchmarks, path) for path in self.bounds)

    def _read(self, benchmarks: Benchmarks, path: str) -> float | None:
        for group in self.groups:
            if _at(benchmarks.get(group), self.path) is not None:
                found = _at(benchmarks[group], path)
                return None if found is None else float(found) * self.scale
        return None


def _at(benchmark: Mapping[str, Any] | None, path: str) -> Any:
    return reduce(lambda value, key: value and value.get(key), path.split("/"), benchmark)


METRICS: tuple[Metric, ...] = (
    Metric("median", "median", "ms", 1e3, TIMED, "stats/median", 1),
    Metric("p95", "p95", "ms", 1e3, TIMED, "extra_info/p95_seconds", 1),
    Metric("p99", "p99", "ms", 1e3, TIMED, "extra_info/p99_seconds", 1),
    Metric(
        "speedup", "speed-up", "x", 1, TIMED, "extra_info/ratio/speedup", 2,
        ("extra_info/ratio/low", "extra_info/ratio/high"),
    ),
    Metric("throughput", "images/s", "", 1, THROUGHPUT, "extra_info/images_per_second", 1),
    Metric(
        "agreement", "agreement", "%", 100, TIMED, "extra_info/agreement/share", 1,
        ("extra_info/agreement/lower",),
    ),
    Metric("top1", "top-1", "%", 100, TIMED, "extra_info/agreement/top1", 1),
    Metric("peak", "of peak", "%", 100, TIMED, "extra_info/roofline/share", 0),
    Metric(
        "preprocess", "preprocessing", "ms", 1e3, TIMED, "extra_info/stages/preprocess_seconds", 1
    ),
    Metric("stage", "staging", "ms", 1e3, TIMED, "extra_info/stages/stage_seconds", 2),
    Metric("device", "on the device", "ms", 1e3, TIMED, "extra_info/stages/device_seconds", 2),
    Metric("size", "size", "MB", 1e-6, BUILT, "extra_info/artifact/bytes", 1),
    Metric("build", "build", "s", 1, BUILT, "extra_info/artifact/build_seconds", 1),
    Metric("load", "load", "s", 1, FOOTPRINT, "extra_info/load_seconds", 2),
    Metric("first", "first call", "ms", 1e3, FOOTPRINT, "extra_info/first_inference_seconds", 1),
    Metric("memory", "peak memory", "MB", 1e-6, FOOTPRINT, "extra_info/peak_memory_bytes", 0),
    Metric("gpu_memory", "GPU memory", "MB", 1e-6, FOOTPRINT, "extra_info/cuda_peak_bytes", 0),
)  # fmt: skip
METRIC: dict[str, Metric] = {metric.name: metric for metric in METRICS}
