"""Which benchmarks of a report can be judged; the others are left out, each with its reason."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vitbench.report.loaded import Load
from vitbench.report.misfit import MisfitError, typed
from vitbench.report.photo import PhotoInfo
from vitbench.report.row import OurRow
from vitbench.report.timed import Footprint, Timed

LEFT_OUT = "left_out"
"""The key under which a report in memory names what is left out of its `benchmarks`."""
LEAST, MOST = 1e-100, 1e100
"""No time or ratio lies beyond them, and between them logarithms are small."""
MOST_ERROR = 5.0
"""A standard error of a log ratio: e to the fifth is a factor of 148."""


@dataclass(frozen=True)
class LeftOut:
    """A benchmark that cannot be judged. `name`: its case's id, or a plain benchmark's own name.
    `group` is "" where it is no benchmark of vitbench."""

    name: str
    group: str
    why: str

    @property
    def label(self) -> str:
        """As verdicts name it."""
        return self.name if self.group in ("", "latency") else f"{self.name} ({self.group})"


def sound(
    report: Mapping[str, Any], file: str = "", checked: Mapping[int, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The report without the benchmarks that cannot be judged, which stand in `left_out` then.

    Those are of `checked` (index of a benchmark: what is wrong with it), those with a figure that
    cannot be, and those that are there twice: nothing says which one counts. `file` is named in
    each reason. What another suite keeps in extra_info is its own, though it may use our words: it
    is taken away. Asked again, a report stays as it is.
    """
    benchmarks = report["benchmarks"]
    if not by_vitbench(report):
        benchmarks = [{**each, "extra_info": {}} if is_ours(each) else each for each in benchmarks]
    keys = [key_of(index, each) for index, each in enumerate(benchmarks)]
    times = Counter(keys)
    kept, out = [], list(report.get(LEFT_OUT, ()))
    for index, (each, key) in enumerate(zip(benchmarks, keys, strict=True)):
        if times[key] > 1:
            why = f"it is there {times[key]} times, and nothing says which one counts"
        else:
            why = checked.get(index) or _fault(each, index)
        if not why:
            kept.append(each)
        elif all((found.name, found.group) != key for found in out):
            out.append(LeftOut(*key, f"{file}: {why}" if file else why))
    if not out:
        return {**report, "benchmarks": kept}
    return {**report, "benchmarks": kept, LEFT_OUT: tuple(out)}


def left_out(report: Mapping[str, Any]) -> tuple[LeftOut, ...]:
    """What `sound` left out of a report."""
    return tuple(sound(report).get(LEFT_OUT, ()))


def name_of(benchmark: Mapping[str, Any]) -> str:
    """The name of a plain benchmark, "" where it has none."""
    return str(benchmark.get("fullname") or benchmark.get("name") or "")


def by_vitbench(report: Any) -> bool:
    """Whether vitbench wrote the report, which may have any shape. One that was cut down to its
    benchmarks names a case by all of its parts, which no other suite does."""
    if not isinstance(report, dict) or isinstance(report.get("vitbench"), dict):
        return isinstance(report, dict)
    found = report.get("benchmarks")
    cases = (
        [each["extra_info"]["case"] for each in found if is_ours(each)]
        if type(found) is list
        else []
    )
    return "vitbench" not in report and any(
        case.get("id") == "{model}/{variant}/{device}/b{batch}".format_map(defaultdict(str, case))
        for case in cases
    )


def is_ours(benchmark: Any) -> bool:
    """Whether a benchmark of a report that vitbench wrote is vitbench's own, and has a case."""
    extra = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
    return isinstance(extra, dict) and isinstance(extra.get("case"), dict) and "schema" in extra


def key_of(index: int, benchmark: Mapping[str, Any]) -> tuple[str, str]:
    """What no two benchmarks of a report may share: case and group; of a plain one name and ""."""
    if is_ours(benchmark):
        case = benchmark["extra_info"]["case"]
        name = case.get("id") if isinstance(case, dict) else None
        return str(name or f"benchmarks[{index}]"), str(benchmark.get("group"))
    return name_of(benchmark) or f"benchmarks[{index}]", ""


def positive(value: Any, what: str) -> Iterator[str]:
    """A sentence where a value is no time or ratio."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not LEAST < value < MOST:
        shown = repr(value) if len(repr(value)) < 40 else f"{repr(value)[:40]}..."
        yield f"{what} is {shown}, but should be a positive number"


def _fault(benchmark: Mapping[str, Any], index: int) -> str:
    """What is wrong with a benchmark, "" where nothing is."""
    if not is_ours(benchmark):
        stats = benchmark.get("stats")
        if not isinstance(stats, dict):
            return "it has no `stats`"
        return next(_stats_faults(stats.get("median"), stats.get("data")), "")
    try:
        row: OurRow = typed(benchmark, OurRow, f"the report.benchmarks[{index}]")
    except MisfitError as error:
        return str(error)
    return next(_faults(row), "")


def _stats_faults(median: Any, data: Any) -> Iterator[str]:
    yield from positive(median, "its median")
    if data is not None and not data:
        yield "its list of rounds is empty"


def _faults(row: OurRow) -> Iterator[str]:
    """What cannot be in the figures of a benchmark that has the shape of one."""
    stats, extra = row.stats, row.extra_info
    yield from _stats_faults(stats.median, stats.data)
    for seconds in stats.data:
        yield from positive(seconds, "a round of it")
    if isinstance(extra, Timed):
        yield from _paired_faults(extra, len(stats.data))
    if isinstance(extra, Footprint):
        yield from positive(extra.load_seconds, "its load_seconds")
        yield from positive(extra.first_inference_seconds, "its first_inference_seconds")
        yield from positive(extra.peak_memory_bytes, "its peak_memory_bytes")
    if isinstance(extra, Load):
        yield from extra.contradictions
    if isinstance(extra, PhotoInfo):
        yield from positive(extra.ratio.speedup, "its speed-up")
        for seconds in extra.reference.rounds:
            yield from positive(seconds, "a round of its reference")


def _paired_faults(extra: Timed, rounds: int) -> Iterator[str]:
    ratio, predictions, reference = extra.ratio, extra.predictions, extra.reference.rounds
    yield from positive(ratio.speedup, "its speed-up")
    for seconds in reference:
        yield from positive(seconds, "a round of its reference")
    error, batches = ratio.standard_error, ratio.batches
    if error is not None and not (0 <= error <= MOST_ERROR and batches >= 2):
        yield f"its standard error is {error!r} of {batches} batches, which cannot be"
    if min(rounds, len(reference)) > 1 and rounds != len(reference):
        yield f"it has {rounds} rounds and its reference {len(reference)}, which are no pairs"
    answers = predictions.answers or predictions.top1
    if len(predictions.images) != len(answers):
        counts = len(predictions.images), len(answers)
        yield "it names {} images and has predictions of {}".format(*counts)
