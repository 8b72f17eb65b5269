"""Size, peak memory and load time of a case against its baseline's: what is LARGER."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median, stdev
from typing import Any

from vitbench.judge.change import CERTAIN, MOST_LOG_RATIO, Change, Timing, change
from vitbench.judge.verdict import Verdict, family_words
from vitbench.report.fields import FIELD, SECONDS, Field
from vitbench.report.reader import Row
from vitbench.stats.intervals import CONFIDENCE
from vitbench.stats.multiplicity import SUITE_LEVEL

SIZE_TOLERANCE = 0.01
ENOUGH_REPORTS = 10
"""With so many reports their own spread is used."""
FOOTPRINT_GROUP = "footprint"
GROUPS_WITH_SIZE = ("latency", "throughput", FOOTPRINT_GROUP)
FigureKey = tuple[str, str]
"""A case's id, and the name of a figure or a benchmark group."""


@dataclass(frozen=True)
class Figure:
    """A field of footprints that the gate judges, by its `spread`."""

    field: Field
    process_spread: float
    least: float

    @property
    def is_time(self) -> bool:
        return self.field.measure is SECONDS

    @property
    def name(self) -> str:
        return f"{self.field.label}{' time' if self.is_time else ''}"

    def of(self, benchmark: Mapping[str, Any]) -> float | None:
        """The figure of a footprint in the base unit, None where it has none."""
        value = self.field.found({FOOTPRINT_GROUP: benchmark})[0]
        return value if value > 0 else None

    def change(self, ours: float, theirs: Sequence[float]) -> Change:
        """Against the median of `theirs`. ENOUGH_REPORTS or more show their own spread; fewer show
        it only where it is more than `process_spread`."""
        head, *bases = (Timing(math.log(x), 0.0, CERTAIN) for x in (ours, *theirs))
        if len(bases) < ENOUGH_REPORTS:
            return change(head, bases, self.process_spread)
        logs = [each.log_time for each in bases]
        spread = max(stdev(logs), self.least)
        error = spread * math.sqrt(1 + math.pi / (2 * len(logs)))
        return Change(head.log_time - median(logs), error, len(logs) - 1, spread)

    def shown(self, value: float) -> str:
        return f"{value * self.field.scale:.4g} {self.field.unit}"


FOOTPRINT_FIGURES = tuple(Figure(each, *each.spread) for each in FIELD.values() if each.spread)
FIGURE_BY_NAME = {figure.name: figure for figure in FOOTPRINT_FIGURES}
TIME_FIGURES = frozenset(figure.name for figure in FOOTPRINT_FIGURES if figure.is_time)


@dataclass(frozen=True)
class Footprints:
    """The cases of a report, and the benchmarks of earlier ones by case and group, newest first.

    `tolerance_of`, of a case and the name of a figure or "size": the share by which it may grow.
    """

    head: Mapping[str, Row]
    past: Mapping[FigureKey, Sequence[Mapping[str, Any]]]
    tolerance_of: Callable[[str, str], float]

    @cached_property
    def changes(self) -> dict[FigureKey, Change]:
        """How each figure changed against the median of the earlier reports that have it."""
        found = {}
        for case in self.head:
            for figure in FOOTPRINT_FIGURES:
                ours, theirs = self._sides(case, figure)
                if ours is not None and theirs:
                    found[case, figure.name] = figure.change(ours, theirs)
        return found

    @cached_property
    def tolerances(self) -> dict[FigureKey, float]:
        return {key: self.tolerance_of(*key) for key in self.changes}

    def verdicts(self, states: Mapping[FigureKey, str]) -> Iterator[tuple[Verdict, FigureKey]]:
        """What is LARGER, and the case and group that it is larger than. `states`: those of all
        tests of the suite, of times too."""
        yield from self._sizes()
        for key in self.changes:
            if states[key] == "SLOWER":
                yield self._larger(key, len(states)), (key[0], FOOTPRINT_GROUP)

    def notes(self, states: Mapping[FigureKey, str]) -> Iterator[str]:
        """What is smaller, what this comparison sees, and what it lacks."""
        for case in self.head:
            words, more, _ = self._size(case)
            if more is not None and more < -self.tolerance_of(case, "size"):
                yield f"{case}: {words}"
        for key, found in self.changes.items():
            if states[key] == "FASTER":
                less = math.expm1(found.estimate) * 100
                yield f"{key[0]}: {key[1]} {less:+.1f} %, {self._both(key)}"
        if parts := list(self._seen(len(states))):
            yield f"footprints are compared by size, {', '.join(parts)}"
        both = [case for case in self.head if self._before(case)]
        ours = {case for case in both if FOOTPRINT_GROUP in self.head[case].benchmarks}
        theirs = {case for case in both if (case, FOOTPRINT_GROUP) in self.past}
        if absent := [case for case in both if case in theirs - ours]:
            yield f"the baseline has footprints that this report lacks: {', '.join(absent)}"
        if new := [case for case in both if case in ours - theirs]:
            yield f"this report has footprints that the baseline lacks: {', '.join(new)}"

    def _sizes(self) -> Iterator[tuple[Verdict, FigureKey]]:
        """An artifact that grew: bytes have no error. A case without a time, which has no other
        verdict, is SAME where it did not grow."""
        for case, row in self.head.items():
            words, more, key = self._size(case)
            tolerance, name = self.tolerance_of(case, "size"), f"{case} (size)"
            figures = {"tolerance": tolerance}
            if words and more is None:
                yield Verdict(name, "INCOMPARABLE", f"{words}: no artifact is empty"), key
            elif more is not None and more > tolerance:
                words += f": beyond the tolerance of {tolerance * 100:g} %"
                yield Verdict(name, "LARGER", words, more, figures=figures), key
            elif more is not None and not row.timed:
                words += f": not beyond the tolerance of {tolerance * 100:g} %"
                yield Verdict(name, "SAME", words, more, figures=figures), key

    def _size(self, case: str) -> tuple[str, float | None, FigureKey]:
        """In words, the share by which it grew, and since which case and group; "" and None where
        no earlier report has the case."""
        key = next(iter(self._before(case)), (case, ""))
        if key not in self.past:
            return "", None, key
        ours = _bytes(next(iter(self.head[case].benchmarks.values())))
        before = median(_bytes(each) for each in self.past[key])
        words = f"{ours / 1e6:.4g} MB, and {before / 1e6:.4g} MB before"
        if not ours or not before:
            return words, None, key
        return f"size {(ours / before - 1) * 100:+.2f} %, {words}", ours / before - 1, key

    def _larger(self, key: FigureKey, tests: int) -> Verdict:
        found, tolerance = self.changes[key], self.tolerances[key]
        wide = found.quantile(CONFIDENCE)
        more, low, high = (
            math.expm1(found.estimate + min(x, MOST_LOG_RATIO)) for x in (0.0, -wide, wide)
        )
        words = (
            f"{key[1]} {more * 100:+.1f} % [{low * 100:+.1f}, {high * 100:+.1f}], "
            f"{self._both(key)}: beyond the tolerance of {tolerance * 100:g} %, and "
            f"chance is ruled out at 1 % {family_words(tests)}"
        )
        figures = {"standard_error": found.standard_error, "tolerance": tolerance}
        return Verdict(f"{key[0]} ({key[1]})", "LARGER", words, more, low, high, figures)

    def _seen(self, tests: int) -> Iterator[str]:
        for figure in FOOTPRINT_FIGURES:
            keys = [key for key in self.changes if key[1] == figure.name]
            if keys:
                level = SUITE_LEVEL / tests
                sees = max(self.changes[key].visible(self.tolerances[key], level) for key in keys)
                more = (
                    f"an increase of {sees * 100:.0f} %" if math.isfinite(sees) else "no increase"
                )
                cases = f"{len(keys)} case{'s' * (len(keys) > 1)}"
                yield f"{figure.name} of {cases} ({more} would be detected)"

    def _before(self, case: str) -> list[FigureKey]:
        """The groups in which earlier reports have a case."""
        return [(case, group) for group in GROUPS_WITH_SIZE if (case, group) in self.past]

    def _sides(self, case: str, figure: Figure) -> tuple[float | None, list[float]]:
        ours = self.head[case].benchmarks.get(FOOTPRINT_GROUP)
        theirs = [figure.of(each) for each in self.past.get((case, FOOTPRINT_GROUP), ())]
        return figure.of(ours) if ours else None, [each for each in theirs if each is not None]

    def _both(self, key: FigureKey) -> str:
        figure = FIGURE_BY_NAME[key[1]]
        ours, theirs = self._sides(key[0], figure)
        return f"{figure.shown(ours or math.nan)}, and {figure.shown(median(theirs))} before"


def _bytes(benchmark: Mapping[str, Any]) -> float:
    return FIELD["size"].found({benchmark["group"]: benchmark})[0]
