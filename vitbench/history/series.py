"""The series of a history: which runs of a case belong together, and in which order."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vitbench.history.store import History
from vitbench.history.version_groups import version_groups
from vitbench.report.figures import LEAST, MOST
from vitbench.report.order import out_of_order

Point = tuple[int, int, float]
"""Index of the run, index of the row of figures, value."""


TIME, RATE = "median", "server_rate"
"""The fields that series are about."""
EVIDENCE = ("estimate", "proven")
FROM_JPEG = " from JPEG bytes"
ONE_BOUND = 1.25
"""A latency bound of two measured calls is another one in each run: sorted bounds of which each is
at most so many times the one before count as one. A bound that the user named is itself."""
Kind = tuple[str, str, str]
"""Of a figure: field, reference and basis."""


@dataclass(frozen=True)
class Series:
    """The points of one case, in the order of their runs, of one fingerprint class and reference.

    `versions`: where versions alternate, the versions of this series; else "". `older`: the points
    of commits older than a commit that was measured before them; they are not in `points`. `field`:
    TIME or RATE. `basis`: what a rate is, such as "estimate within 15 ms"; of a time "".
    """

    case: str
    fingerprint: str
    reference: str
    versions: str
    points: tuple[Point, ...]
    older: tuple[Point, ...]
    field: str = TIME
    basis: str = ""


def series(history: History) -> list[Series]:
    """In order of first appearance, those of times first.

    The value of a time is -log(speed-up over the reference of the same run), and where there is
    none (plain reports, the reference itself) log(median seconds); that of a rate under load is
    -log(requests a second). Larger is worse in all. A rate of 0 has no value.
    """
    return [*_gathered(history, _times(history)), *_gathered(history, _rates(history))]


def _gathered(history: History, values: Iterable[tuple[int, float, Kind]]) -> list[Series]:
    """Series of rows of figures, their values and kinds."""
    found: dict[tuple[int, str, Kind], list[Point]] = {}
    cases = history.column("case").astype(int).tolist()
    runs = history.column("run").astype(int).tolist()
    models = [name.partition("/")[0] for name in history.cases]
    members: dict[str, set[int]] = {}
    for row, value, about in values:
        run = history.runs[runs[row]]
        machine = run.classes.get(models[cases[row]], run.classes[""])
        members.setdefault(machine, set()).add(runs[row])
        found.setdefault((cases[row], machine, about), []).append((runs[row], row, value))
    split = {machine: _versions(history, sorted(those)) for machine, those in members.items()}
    return [
        one
        for (case, machine, about), points in found.items()
        for one in _by_versions(history, history.cases[case], machine, about, points, split)
    ]


def _times(history: History) -> Iterator[tuple[int, float, Kind]]:
    runs = history.column("run").astype(int).tolist()
    speedups = np.where(history.column("null_arm") > 0, np.nan, history.column("speedup"))
    paired = np.isfinite(speedups)
    seconds = np.log(history.column("seconds"))
    values = np.where(paired, -np.log(np.where(paired, speedups, 1.0)), seconds)
    for row, value in enumerate(values.tolist()):
        if not math.isnan(value):
            reference = history.runs[runs[row]].reference if paired[row] else ""
            yield row, value, (TIME, reference, "")


def _rates(history: History) -> Iterator[tuple[int, float, Kind]]:
    """Only rates of one evidence, within one latency bound of a case, and of one kind of samples
    are comparable."""
    cases = history.column("case").tolist()
    rates, bounds = history.column("server_rate").tolist(), history.column("latency_bound_ms")
    proven, jpeg, named = (
        history.column(name).tolist() for name in ("proven", "from_jpeg", "named_bound")
    )
    rows = [row for row, rate in enumerate(rates) if LEAST < rate < MOST]
    by_case: dict[float, list[float]] = {}
    for row in rows:
        if not named[row]:
            by_case.setdefault(cases[row], []).append(float(bounds[row]))
    words = {case: _bounds(those) for case, those in by_case.items()}
    for row in rows:
        bound = float(bounds[row])
        within = (_bounds([bound]) if named[row] else words[cases[row]]).get(bound, "")
        basis = f"{EVIDENCE[int(proven[row])]}{within}{FROM_JPEG * int(jpeg[row])}"
        yield row, -math.log(rates[row]), (RATE, "", basis)


def _bounds(found: Sequence[float]) -> dict[float, str]:
    """Of each bound in ms, the words for it and those that count as the same."""
    groups: list[list[float]] = []
    for bound in sorted({each for each in found if math.isfinite(each)}):
        if groups and bound <= ONE_BOUND * groups[-1][-1]:
            groups[-1].append(bound)
        else:
            groups.append([bound])
    return {
        bound: f" within {group[0]:g} ms"
        if len(group) == 1
        else f" within {group[0]:g} to {group[-1]:g} ms"
        for group in groups
        for bound in group
    }


def _versions(history: History, runs: Sequence[int]) -> dict[int, str]:
    """By run of a class, the versions that distinguish its series from the others."""
    known = [{**history.runs[run].versions, **history.runs[run].variables} for run in runs]
    return {
        runs[member]: group.words for group in version_groups(known) for member in group.members
    }


def _by_versions(
    history: History,
    case: str,
    machine: str,
    about: Kind,
    points: Sequence[Point],
    split: Mapping[str, Mapping[int, str]],
) -> list[Series]:
    field, reference, basis = about
    apart: dict[str, list[Point]] = {}
    for point in points:
        apart.setdefault(split[machine][point[0]], []).append(point)
    found = []
    for words, those in apart.items():
        runs = [history.runs[point[0]] for point in those]
        behind = out_of_order([run.committed for run in runs], [run.time for run in runs])
        parts: tuple[list[Point], list[Point]] = ([], [])
        for point, older in zip(those, behind, strict=True):
            parts[older].append(point)
        own = tuple(parts[0]), tuple(parts[1])
        found.append(Series(case, machine, reference, words, *own, field, basis))
    return found


def older_rows(history: History) -> set[int]:
    """Rows of figures of older commits, measured later: no case's newest ones."""
    return {row for one in series(history) for _, row, _ in one.older}


def newest_rates(history: History) -> dict[str, int]:
    """By case, the newest row of figures with a rate under load, which may be 0, and not of an
    older commit, measured later."""
    return dict(_rate_rows(history))


def _rate_rows(history: History) -> list[tuple[str, int]]:
    """Cases and rows of figures with a rate under load, oldest first."""
    rates, cases = history.column("server_rate"), history.column("case").astype(int).tolist()
    found = np.flatnonzero(np.isfinite(rates)).tolist()
    older = older_rows(history) if found else set()
    return [(history.cases[cases[row]], row) for row in found if row not in older]


def newest_rates_by_machine(history: History) -> dict[tuple[str, str], int]:
    """As `newest_rates`, by case and class of machine."""
    runs, rows = history.column("run").astype(int).tolist(), _rate_rows(history)
    return {(case, history.runs[runs[row]].classes[""]): row for case, row in rows}


def newest_first(history: History) -> list[int]:
    """Runs, the newest first. At the end are the runs of a commit older than a commit that was
    measured before, on any machine: they are never the newest."""
    late = out_of_order([x.committed for x in history.runs], [x.time for x in history.runs])
    return sorted(range(len(late)), key=lambda run: (late[run], -run))
