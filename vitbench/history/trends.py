"""The series of every case over the runs of a history, and what changed with each change."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

from vitbench.history.series import RATE, TIME, Series, newest_first, series
from vitbench.history.store import History
from vitbench.history.summary import Run
from vitbench.report.figures import LEAST
from vitbench.stats.change_points import ChangePoint, change_points
from vitbench.stats.multiplicity import false_discovery_rate

FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True)
class Event:
    """A change of one series. Runs are indices into the history's runs.

    `run`: the first run with the change. `until`: the last run of a gradual change, else `run`.
    `since`: the first run after the change before; the change is estimated from there on.
    `detected`: the run that showed it first. `change`: relative, of the time of a call (0.05: 5 %
    longer), within `low` and `high`. `significant`: at a false-discovery rate of 5 % over all cases
    of the history. `with_it`: what else changed between the two runs. `field`: what the series is
    about; of a rate, `change` is that of the time between requests, and `own` its own.
    """

    case: str
    since: int
    run: int
    until: int
    detected: int
    change: float
    low: float
    high: float
    p: float
    significant: bool
    with_it: tuple[str, ...]
    field: str = TIME

    @property
    def own(self) -> tuple[float, float, float]:
        """Change, low and high of the figure that the series is about, relative: of a rate -0.05 is
        5 % fewer requests a second."""
        if self.field != RATE:
            return self.change, self.low, self.high
        change, low, high = (1 / max(1 + x, LEAST) - 1 for x in (self.change, self.high, self.low))
        return change, low, high

    @property
    def gradual(self) -> bool:
        return self.until > self.run


@dataclass(frozen=True, kw_only=True)
class Trend(Series):
    """A series with its changes: of log times, relative to the reference if `paired`, or of rates.

    `runs` are indices of the history's runs, `rows` of its figures.
    """

    machine: str
    events: tuple[Event, ...]

    @property
    def paired(self) -> bool:
        return bool(self.reference)

    @property
    def of_rate(self) -> bool:
        return self.field == RATE

    def shown(self, value: float) -> float:
        """What a value stands for: a rate, a speed-up, or seconds."""
        return math.exp(-value if self.paired or self.of_rate else value)

    @cached_property
    def runs(self) -> tuple[int, ...]:
        return tuple(run for run, _, _ in self.points)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        return tuple(row for _, row, _ in self.points)

    @cached_property
    def values(self) -> tuple[float, ...]:
        return tuple(value for _, _, value in self.points)


def trends(history: History) -> list[Trend]:
    """A trend per case, fingerprint class, reference and versions that alternate, and of rates per
    latency bound and evidence, in order of first appearance."""
    return significant_over_all([_trend(history, each) for each in series(history)])


def _trend(history: History, each: Series) -> Trend:
    runs, _, values = zip(*each.points, strict=True)
    events = tuple(_event(history, each, runs, change) for change in change_points(values))
    machine = history.runs[runs[-1]].machine
    own = {field.name: getattr(each, field.name) for field in fields(each)}
    return Trend(**own, machine=machine, events=events)


def _event(history: History, of: Series, runs: Sequence[int], change: ChangePoint) -> Event:
    earlier, later = history.runs[runs[change.at - 1]], history.runs[runs[change.until]]
    return Event(
        of.case,
        runs[change.since],
        runs[change.at],
        runs[change.until],
        runs[change.detected],
        math.expm1(change.size),
        math.expm1(change.low),
        math.expm1(change.high),
        change.p,
        False,
        what_differs(earlier, later, of.case.partition("/")[0]),
        of.field,
    )


def what_differs(one: Run, other: Run, model: str = "") -> tuple[str, ...]:
    """What changed from `one` run to the `other`: versions, commit, variables, images, machine.

    `model`: leave out the weights and images of other models.
    """
    differences = []
    if one.machine != other.machine:
        differences.append(f"machine {one.machine} to {other.machine}")
    for name, old, new in _differing(one.versions, other.versions):
        differences.append(f"{name} {old} to {new}")
    if one.commit != other.commit:
        differences.append(f"commit {_commit(one)} to {_commit(other)}")
    elif one.dirty != other.dirty:
        differences.append("uncommitted changes " + ("came" if other.dirty else "went"))
    for name, old, new in _differing(one.variables, other.variables):
        differences.append(f"{name} {old} to {new}")
    for name, old, new in _differing(one.weights, other.weights):
        if not model or name == model:
            differences.append(f"weights of {name} {old[:8]} to {new[:8]}")
    return (*differences, *_seen_otherwise(one, other, model))


def _seen_otherwise(one: Run, other: Run, model: str) -> list[str]:
    """Images, or preprocessing where the files are the same."""
    shared = [name for name in one.seen if name in other.seen]
    if not shared:
        return ["the images"] if one.images != other.images else []
    differences = []
    for name in [name for name in shared if name == (model or name)]:
        (files, _, pixels), (new_files, _, new_pixels) = (
            each.seen[name].partition(":") for each in (one, other)
        )
        if pixels != new_pixels:
            differences.append(
                f"the {'preprocessing' if files == new_files else 'images'} of {name}"
            )
    return differences


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys([*one, *other])
    pairs = [(name, one.get(name, "none"), other.get(name, "none")) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _commit(run: Run) -> str:
    return (run.commit[:8] or "none") + (" with uncommitted changes" if run.dirty else "")


def significant_over_all(found: list[Trend]) -> list[Trend]:
    """Marks the events that are significant over all series: Benjamini and Hochberg's procedure.

    A series without a change counts as a test with p = 1. The p of a change counts all looks at its
    own series already.
    """
    events = [event for each in found for event in each.events]
    tests = len(found) + sum(max(0, len(each.events) - 1) for each in found)
    rates = iter(false_discovery_rate([event.p for event in events], tests))
    return [
        replace(
            each,
            events=tuple(
                replace(event, significant=next(rates) <= FALSE_DISCOVERIES)
                for event in each.events
            ),
        )
        for each in found
    ]


def latest(history: History, found: Sequence[Trend]) -> dict[str, Trend]:
    """By case, the trend that has its newest run: of its times where it has any."""
    newest: dict[str, Trend] = {}
    for each in _newest_first(history, found):
        newest.setdefault(each.case, each)
    return {each.case: newest[each.case] for each in found}


def latest_by_machine(history: History, found: Sequence[Trend]) -> list[Trend]:
    """Of each case and machine, the trend that has its newest run there."""
    newest: dict[tuple[str, str], Trend] = {}
    for each in _newest_first(history, found):
        newest.setdefault((each.case, history.runs[each.runs[-1]].classes[""]), each)
    chosen = {id(each) for each in newest.values()}
    return [each for each in found if id(each) in chosen]


def _newest_first(history: History, found: Sequence[Trend]) -> list[Trend]:
    """Those of times first."""
    place = {run: index for index, run in enumerate(newest_first(history))}
    return sorted(found, key=lambda each: (each.of_rate, place[each.runs[-1]]))


def older_runs(found: Sequence[Trend]) -> set[int]:
    """Runs of which every figure is of an older commit, measured later."""
    ordered = {run for each in found for run in each.runs}
    return {run for each in found for run, _, _ in each.older} - ordered
