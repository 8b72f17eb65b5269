"""The series of a history: which runs of a case belong together, and in which order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitbench.history.store import COLUMN, History
from vitbench.history.version_groups import version_groups
from vitbench.report.order import out_of_order

Point = tuple[int, int, float]
"""Index of the run, index of the row of figures, value."""


@dataclass(frozen=True)
class Series:
    """The points of one case, in the order of their runs, of one fingerprint class and reference.

    `versions`: where versions alternate, the versions of this series; else "". `older`: the points
    of commits older than a commit that was measured before them; they are not in `points`.
    """

    case: str
    fingerprint: str
    reference: str
    versions: str
    points: tuple[Point, ...]
    older: tuple[Point, ...]


def series(history: History) -> list[Series]:
    """In order of first appearance.

    The value of a run is -log(speed-up over the reference of the same run), and where there is
    none (plain reports, the reference itself) log(median seconds): larger is slower in both.
    """
    found: dict[tuple[int, str, str], list[Point]] = {}
    figures = history.figures
    cases = history.column("case").astype(int).tolist()
    runs = history.column("run").astype(int).tolist()
    speedups = np.where(history.column("null_arm") > 0, np.nan, history.column("speedup"))
    paired = np.isfinite(speedups)
    values = np.where(
        paired, -np.log(np.where(paired, speedups, 1.0)), np.log(figures[:, COLUMN["seconds"]])
    )
    models = [name.partition("/")[0] for name in history.cases]
    members: dict[str, set[int]] = {}
    for row, value in enumerate(values.tolist()):
        if math.isnan(value):
            continue
        run = history.runs[runs[row]]
        kind = run.classes.get(models[cases[row]], run.classes[""])
        reference = run.reference if paired[row] else ""
        members.setdefault(kind, set()).add(runs[row])
        found.setdefault((cases[row], kind, reference), []).append((runs[row], row, value))
    split = {kind: _versions(history, sorted(those)) for kind, those in members.items()}
    return [
        one
        for (case, kind, reference), points in found.items()
        for one in _by_versions(history, history.cases[case], kind, reference, points, split[kind])
    ]


def _versions(history: History, runs: Sequence[int]) -> dict[int, str]:
    """By run of a class, the versions that distinguish its series from the others."""
    known = [{**history.runs[run].versions, **history.runs[run].variables} for run in runs]
    return {
        runs[member]: group.words for group in version_groups(known) for member in group.members
    }


def _by_versions(
    history: History,
    case: str,
    kind: str,
    reference: str,
    points: Sequence[Point],
    versions: dict[int, str],
) -> list[Series]:
    apart: dict[str, list[Point]] = {}
    for point in points:
        apart.setdefault(versions[point[0]], []).append(point)
    found = []
    for words, those in apart.items():
        runs = [history.runs[point[0]] for point in those]
        behind = out_of_order([run.committed for run in runs], [run.time for run in runs])
        parts: tuple[list[Point], list[Point]] = ([], [])
        for point, older in zip(those, behind, strict=True):
            parts[older].append(point)
        found.append(Series(case, kind, reference, words, tuple(parts[0]), tuple(parts[1])))
    return found


def older_rows(history: History) -> set[int]:
    """Rows of figures of older commits, measured later: no case's newest ones."""
    return {row for one in series(history) for _, row, _ in one.older}


def newest_first(history: History) -> list[int]:
    """Runs, the newest first. At the end are the runs of a commit older than a commit that was
    measured before, on any machine: they are never the newest."""
    late = out_of_order([x.committed for x in history.runs], [x.time for x in history.runs])
    return sorted(range(len(late)), key=lambda run: (late[run], -run))
