"""The table of fields: every figure of a report, once. A new metric is a row here.

The terminal table, the page, CSV, Prometheus, contracts, `vitbench best` and the history read it.
What a row names is filled by pytest-benchmark (`stats`) or `vitbench/measure/measurement.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Benchmarks = Mapping[str, Mapping[str, Any]]
"""The benchmark dicts of one case, by group."""

TIMED = ("latency", "throughput")
THROUGHPUT = ("throughput", "latency")
FOOTPRINT = ("footprint",)
PHOTO = ("photo",)
LOAD = ("load",)
BUILT = (*FOOTPRINT, *TIMED)
PAID = (*LOAD, *THROUGHPUT)

# What a figure measures: its units, and how much of what a report records is one of each.
SECONDS = {"ms": 1e-3, "s": 1.0}
MILLISECONDS = {"ms": 1.0, "s": 1e3}
TIMES = (SECONDS, MILLISECONDS)
BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
SHARE = {"": 1.0, "%": 0.01}
FACTOR = {"": 1.0, "x": 1.0}
COUNT = {"": 1.0}
RATE = {"/s": 1.0}
JOULES = {"J": 1.0, "mJ": 1e-3, "kJ": 1e3}

LOWER, HIGHER = "lower", "higher"


@dataclass(frozen=True)
class Terms:
    """A contract may be about a field, by this name. `most`: the largest value that there is.
    `varies`: what the figure is of, in words, where the spread of single runs is its error.
    """

    name: str
    most: float = math.inf
    varies: str = ""


@dataclass(frozen=True)
class Field:
    """One figure of a case.

    `groups`: the benchmark groups that hold it, best first. `path`: keys into the benchmark's
    dict, where the figure is in the base unit of `measure` (seconds, bytes, a share). `unit` and
    `digits`: how it is shown. `better`: LOWER or HIGHER. `column`: its name in a history and in
    CSV, in the base unit. `about`: one sentence without markup.
    `bounds`: column and path of the ends of its interval; a lone one is the bound on the worse
    side.
    `room`: a terminal table gives room to the smallest first; None where it does not show the
    field. `page`: whether the page has a column of it; of a `rare` field only where a report has
    the figure. `gauge`: its name for Prometheus.
    `spread`: of a footprint's figure, standard deviations of its log between processes of unchanged
    code (docs/results.md, LARGER): the usual one, by which the gate judges it, and the least that
    many reports must show to be believed.
    `need`: what `vitbench best` calls it, with `more` as the words for a case that is worse by it;
    "" where nobody chooses by it.
    """

    name: str
    label: str
    unit: str
    measure: Mapping[str, float]
    digits: int
    better: str
    groups: tuple[str, ...]
    path: str
    column: str
    about: str
    bounds: tuple[tuple[str, str], ...] = ()
    room: int | None = 99
    page: bool = True
    rare: bool = False
    gauge: str = ""
    contract: Terms | None = None
    spread: tuple[float, float] | None = None
    need: str = ""
    more: str = ""

    @cached_property
    def scale(self) -> float:
        """How many of `unit` the base unit is."""
        return 1 / self.measure[self.unit]

    @property
    def heading(self) -> str:
        """The label and the unit; figures in "x" carry it themselves."""
        return f"{self.label} {'' if self.unit == 'x' else self.unit}".strip()

    def value(self, benchmarks: Benchmarks) -> float | None:
        """The figure of a case in `unit`, or None where the report has none."""
        return self._shown(self.found(benchmarks)[0])

    def text(self, value: float) -> str:
        """A value in `unit`; two digits of a time below 1: small models take 0.05 ms."""
        short = self.measure in TIMES and abs(value) < 1
        return f"{value:.{max(self.digits, 2) if short else self.digits}f}"

    def interval(self, benchmarks: Benchmarks) -> tuple[float | None, ...]:
        """Its bounds in `unit`, from the group that holds the value: () for a field without."""
        return tuple(map(self._shown, self.found(benchmarks)[1:]))

    def found(self, benchmarks: Benchmarks) -> tuple[float, ...]:
        """The figure and its bounds in the base unit, NaN where the report has no finite number
        there. The benchmarks may have any shape."""
        for group in self.groups:
            benchmark = benchmarks.get(group)
            figure = _number(benchmark, self._keys[0]) if benchmark else math.nan
            if not math.isnan(figure):
                return (figure, *(_number(benchmark, keys) for keys in self._keys[1:]))
        return (math.nan,) * len(self._keys)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of `found`."""
        return (self.column, *(name for name, _ in self.bounds))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Of `columns`, each."""
        return (self.path, *(path for _, path in self.bounds))

    @cached_property
    def _keys(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(path.split("/")) for path in self.paths)

    def _shown(self, figure: float) -> float | None:
        return None if math.isnan(figure) else figure * self.scale


def finite(value: Any) -> bool:
    """Whether a value of JSON is a number that a float holds."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def _number(benchmark: Any, keys: tuple[str, ...]) -> float:
    for key in keys:
        benchmark = benchmark.get(key) if isinstance(benchmark, dict) else None
    return float(benchmark) if finite(benchmark) else math.nan


# In the order in which tables show them.
FIELD: dict[str, Field] = {each.name: each for each in (
    Field("median", "median", "ms", SECONDS, 1, LOWER, TIMED, "stats/median", "seconds",
          "Median seconds of a call.",
          room=1, gauge="vitbench_median_seconds", need="latency", more="slower"),
    Field("p95", "p95", "ms", SECONDS, 1, LOWER, TIMED, "extra_info/p95_seconds", "p95_seconds",
          "Seconds that 95 % of the calls keep within.", room=4, page=False),
    Field("p99", "p99", "ms", SECONDS, 1, LOWER, TIMED, "extra_info/p99_seconds", "p99_seconds",
          "Seconds that 99 % of the calls keep within.", room=11, page=False),
    Field("device", "on the device", "ms", SECONDS, 2, LOWER, TIMED,
          "extra_info/stages/device_seconds", "device_seconds",
          "Seconds of a call on the GPU.", room=12, page=False),
    Field("stage", "staging", "ms", SECONDS, 2, LOWER, TIMED,
          "extra_info/stages/stage_seconds", "stage_seconds",
          "Seconds to bring a batch to the device.", room=16, page=False),
    Field("preprocess", "preprocessing", "ms", SECONDS, 1, LOWER, TIMED,
          "extra_info/stages/preprocess_seconds", "preprocess_seconds",
          "Seconds to preprocess a batch.", room=17, page=False),
    Field("speedup", "speed-up", "x", FACTOR, 2, HIGHER, TIMED,
          "extra_info/ratio/speedup", "speedup",
          "Times as fast as the reference, paired.",
          bounds=(("low", "extra_info/ratio/low"), ("high", "extra_info/ratio/high")),
          room=3, gauge="vitbench_speedup_ratio", contract=Terms("speedup")),
    Field("throughput", "images/s", "", COUNT, 1, HIGHER, THROUGHPUT,
          "extra_info/images_per_second", "images_per_second",
          "Images a second.", room=5, page=False),
    Field("peak", "of peak", "%", SHARE, 0, HIGHER, TIMED,
          "extra_info/roofline/share", "peak_share",
          "Operations a second as a share of the peak that the machine was measured to have.",
          room=9),
    Field("operations", "operations", "", COUNT, 0, LOWER, TIMED,
          "extra_info/roofline/operations", "operations",
          "Multiplications and additions of a call.", room=None, page=False),
    Field("peak_per_second", "peak", "", COUNT, 0, HIGHER, TIMED,
          "extra_info/roofline/peak_per_second", "peak_per_second",
          "Operations a second that the machine was measured to reach.", room=None, page=False),
    Field("agreement", "agreement", "%", SHARE, 1, HIGHER, TIMED,
          "extra_info/agreement/share", "agreement",
          "Share of images whose answer is that of fp32.",
          bounds=(("agreement_lower", "extra_info/agreement/lower"),),
          room=2, gauge="vitbench_agreement_ratio", contract=Terms("agreement", most=1.0)),
    Field("error", "error", "", COUNT, 4, LOWER, TIMED, "extra_info/agreement/error", "error",
          "Error of a regression beside the spread of fp32's values: a constant has 1.",
          bounds=(("error_upper", "extra_info/agreement/error_upper"),),
          room=None, rare=True, contract=Terms("error")),
    Field("cosine", "cosine", "", COUNT, 4, HIGHER, TIMED,
          "extra_info/agreement/centred_cosine", "centred_cosine",
          "Mean cosine of embeddings with fp32's, both less the mean of fp32's.",
          room=None, rare=True, contract=Terms("cosine", most=1.0)),
    Field("top1", "top-1", "%", SHARE, 1, HIGHER, TIMED, "extra_info/agreement/top1", "top1",
          "Share of labelled images whose first class is right.", room=10, page=False),
    Field("size", "size", "MB", BYTES, 1, LOWER, BUILT, "extra_info/artifact/bytes", "bytes",
          "Bytes of the artifact.",
          room=6, gauge="vitbench_artifact_bytes", contract=Terms("size"),
          need="size", more="larger"),
    Field("memory", "peak memory", "MB", BYTES, 0, LOWER, FOOTPRINT,
          "extra_info/peak_memory_bytes", "memory_bytes",
          "Peak resident bytes of a fresh process.",
          room=7, gauge="vitbench_peak_memory_bytes", contract=Terms("peak_memory"),
          spread=(0.03, 0.005),
          need="memory", more="needs more memory"),
    Field("gpu_memory", "GPU memory", "MB", BYTES, 0, LOWER, FOOTPRINT,
          "extra_info/cuda_peak_bytes", "gpu_memory_bytes",
          "Peak bytes on the GPU of a fresh process.", room=8, page=False,
          spread=(0.03, 0.005)),
    Field("energy", "energy of an image", "J", JOULES, 3, LOWER, TIMED,
          "extra_info/energy/joules_per_image", "energy_j_per_image",
          "Joules that the package or the board takes for an image.",
          room=19, rare=True, contract=Terms("energy"), need="energy", more="needs more energy"),
    Field("images_per_unit", "images per unit of money", "", COUNT, 0, HIGHER, THROUGHPUT,
          "extra_info/price/images_per_unit", "images_per_unit",
          "Images that a unit of money buys, at the rate of this batch.",
          room=18, rare=True, contract=Terms("images_per_unit", varies="of a single run"),
          need="cost", more="costs more"),
    Field("requests_per_unit", "requests per unit of money", "", COUNT, 0, HIGHER, LOAD,
          "extra_info/price/requests_per_unit", "requests_per_unit",
          "Requests that a unit of money buys, at the highest rate within the latency bound.",
          room=18, rare=True, contract=Terms("requests_per_unit")),
    Field("price_per_hour", "price of an hour", "", COUNT, 4, LOWER, PAID,
          "extra_info/price/per_hour", "price_per_hour",
          "Money for an hour of the machine.", room=None, page=False),
    Field("first", "first call", "ms", SECONDS, 1, LOWER, FOOTPRINT,
          "extra_info/first_inference_seconds", "first_seconds",
          "Seconds of the first call in a fresh process.",
          room=13, page=False, contract=Terms("first_inference", varies="a single call")),
    Field("load", "load", "s", SECONDS, 2, LOWER, FOOTPRINT,
          "extra_info/load_seconds", "load_seconds",
          "Seconds to load the artifact in a fresh process.", room=14, page=False,
          spread=(0.4, 0.1)),
    Field("build", "build", "s", SECONDS, 1, LOWER, BUILT,
          "extra_info/artifact/build_seconds", "build_seconds",
          "Seconds to build the artifact.", room=15, page=False),
    Field("photo", "photo to answer", "ms", SECONDS, 1, LOWER, PHOTO, "stats/median",
          "photo_seconds", "Median seconds from the bytes of a JPEG of 500 x 375 to the answer.",
          room=18, rare=True),
    Field("photo_speedup", "of Pillow's", "x", FACTOR, 2, HIGHER, PHOTO,
          "extra_info/ratio/speedup", "photo_speedup",
          "Times as fast from the photograph as with Pillow and the model's own preprocessing.",
          bounds=(("photo_low", "extra_info/ratio/low"), ("photo_high", "extra_info/ratio/high")),
          room=19, rare=True),
    Field("front_share", "front half", "%", SHARE, 0, LOWER, PHOTO,
          "extra_info/front_share", "front_share",
          "Share of decoding and preprocessing in the time from the photograph to the answer.",
          room=20, rare=True),
    Field("single_stream_p90", "SingleStream p90", "ms", MILLISECONDS, 1, LOWER, LOAD,
          "extra_info/single_stream_p90_ms", "single_stream_p90_ms",
          "Milliseconds that 90 % of the queries of SingleStream keep within.",
          room=None, page=False),
    Field("offline", "Offline images/s", "", COUNT, 1, HIGHER, LOAD,
          "extra_info/offline_images_per_s", "offline_images_per_s",
          "Images a second where all queries are there at once.", room=None, page=False),
    Field("server_rate", "server rate", "/s", RATE, 1, HIGHER, LOAD,
          "extra_info/server_rate", "server_rate",
          "Requests a second whose 99th percentile keeps the latency bound; 0 where no rate does.",
          room=None, rare=True, contract=Terms("server_rate"),
          need="load", more="carries less"),
    Field("server_p99", "server p99", "ms", MILLISECONDS, 1, LOWER, LOAD,
          "extra_info/server_p99_ms", "server_p99_ms",
          "Milliseconds that 99 % of the requests keep within at the server rate.",
          room=None, page=False),
    Field("latency_bound", "latency bound", "ms", MILLISECONDS, 1, LOWER, LOAD,
          "extra_info/latency_bound_ms", "latency_bound_ms",
          "Milliseconds that 99 % of the requests must keep within.",
          room=None, page=False, contract=Terms("latency_bound")),
    Field("server_queries", "queries", "", COUNT, 0, HIGHER, LOAD,
          "extra_info/server_queries", "server_queries",
          "Queries of the run that the server rate rests on.", room=None, page=False),
)}  # fmt: skip
"""By name."""
