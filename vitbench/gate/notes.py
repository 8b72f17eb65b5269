"""The notes of a gate beside its verdicts: no note fails the gate."""

import math
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from vitbench.errors import counted
from vitbench.gate.earlier import Earlier, contents, model_of
from vitbench.report.fields import TIMED
from vitbench.report.hardware import hardware
from vitbench.report.machine import changed
from vitbench.report.order import timestamp
from vitbench.report.reader import rows
from vitbench.report.row import OurRow, TimedRow

REFERENCE_DRIFT = 0.30
"""Identical runs differ by 15 to 25 % on a shared machine: docs/results.md, Noise."""
GROWN = 3
LEAST_SHARE = 0.1
Rows = Mapping[str, Mapping[str, OurRow]]
"""Benchmarks by case id and group."""


def gate_notes(head: Mapping[str, Any], past: Earlier) -> Iterator[str]:
    """References that drifted, what is not known of the machine, what a selection left out, and
    what changed since the newest of the reports that the cases are compared with."""
    ours: Rows = {row.case.id: row.typed for row in rows(head)}
    theirs: dict[str, dict[str, OurRow]] = {}
    for (case, group), found in past.past.items():
        theirs.setdefault(case, {})[group] = found[0].row
    yield from _references(ours, theirs)
    held = [then.report for case in ours if (then := past.newest(case))]
    if doubt := hardware(head.get("machine_info")).doubt:
        yield doubt
    yield from _unselected(head, past)
    times = [made for each in held if (made := _committed(each)) is not None]
    if times and (_committed(head) or math.inf) < max(times):
        yield (
            "the commit of this report is older than the newest commit of the baseline: a change "
            "for the worse does not come from a newer commit"
        )
    if held and (since := changed(head, max(held, key=lambda each: str(each.get("datetime"))))):
        yield f"changed since the baseline: {since}"


def _committed(report: Mapping[str, Any]) -> float | None:
    return timestamp(report.get("commit_info", {}).get("time"))


def _unselected(head: Mapping[str, Any], past: Earlier) -> Iterator[str]:
    """How many cases of the newest whole reports a report of selected cases does not have."""
    ours = contents(head)
    if not ours.selected:
        return
    words = f"this report has only the cases that `{' '.join(ours.selected)}` selected"
    parts = {model: map(contents, bases) for model, bases in past.bases.items()}
    found = {
        m: next((c for c in x if c.complete and not c.selected), None) for m, x in parts.items()
    }
    if None in found.values() or not found:  # A figure of some models alone would pass for all.
        yield f"{words}: the other cases of the suite are not judged"
        return
    left = 0
    for model, whole in found.items():
        timed = [key for key in (whole.keys if whole else ()) if key[1] in TIMED]
        left += len({key for key in timed if model_of(key[0]) == model} - {*ours.keys})
    others = counted(left, "other case")
    yield f"{words}: {others} of the newest whole report are not judged"


def grown(head: TimedRow, base: TimedRow, change: float) -> str:
    """Which operators a slowdown of `change` (0.2: 20 %) went to, as words after a sentence.

    Profiles are taken apart from timing, and at another speed of the machine: so an operator's
    share of each profile is taken, times 1 + change for the head. The differences add up to
    `change`. One profile of each run knows no noise: only what has a tenth of the change is named.
    Without both profiles the words say how to get them.
    """
    ours, theirs = (_shares(each) for each in (head, base))
    if not ours or not theirs:
        return "; run both with --profile to see which operators grew"
    more = {
        name: (1 + change) * ours.get(name, 0.0) - theirs.get(name, 0.0) for name in ours | theirs
    }
    most = sorted(more, key=lambda name: -more[name])[:GROWN]
    enough = [name for name in most if more[name] >= LEAST_SHARE * change]
    if not enough:
        return "; no operator of the profiles has a tenth of the change"
    parts = [f"{name} {more[name] * 100:+.1f} %" for name in enough]
    return (
        "; changes by operator, in shares of the baseline's time, by one profile of each run: "
        f"{', '.join(parts)}"
    )


def _shares(row: TimedRow) -> dict[str, float]:
    operators = row.extra_info.operators
    whole = sum(each.seconds for each in operators)
    shares: dict[str, float] = {}
    for each in operators if whole > 0 else []:
        shares[each.name] = shares.get(each.name, 0.0) + each.seconds / whole
    return shares


def _references(ours: Rows, theirs: Rows) -> Iterator[str]:
    """One line for each reference, of all its rounds in both reports, where it drifted."""
    logs: dict[str, list[float]] = {}
    for case in ours.keys() & theirs.keys():
        for group in TIMED:
            found = [side[case].get(group) for side in (ours, theirs)]
            sides = [each.extra_info.reference for each in found if isinstance(each, TimedRow)]
            if len(sides) < 2 or sides[0].variant != sides[1].variant:
                continue
            if all(side.rounds for side in sides):
                model, _, device, batch = case.split("/")
                name = f"{model}/{sides[0].variant}/{device}/{batch}"
                before, after = (median(side.rounds) for side in reversed(sides))
                if min(before, after) > 0:
                    logs.setdefault(name, []).append(math.log(after / before))
    for name in sorted(logs):
        drift = math.expm1(median(logs[name]))
        if abs(math.log1p(drift)) > math.log1p(REFERENCE_DRIFT):
            yield (
                f"the time of the reference {name} itself is {drift * 100:+.0f} % against the "
                "baseline: the machine changed, or code that all cases share; ratios to the "
                "reference do not show this"
            )
