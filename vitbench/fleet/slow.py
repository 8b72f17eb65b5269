"""Hosts that are slower than the others of their class: by its name it is one machine."""

from collections.abc import Iterator, Mapping
from statistics import median

from vitbench.fleet.hosts import distinct
from vitbench.fleet.plan import FleetPlan, Task
from vitbench.fleet.receipts import Receipt
from vitbench.report.reader import rows
from vitbench.report.row import TimedRow

SLOW = 1.25
"""A host is slow whose timing reference takes so many times what it takes on the others: single
runs on one machine differ by less."""

Reference = tuple[str, str, int]
"""Model, device and batch."""


def slow_words(plan: FleetPlan, receipts: Mapping[Task, Receipt]) -> Iterator[str]:
    """A sentence on each slow host. The timing reference runs along in each case, so hosts of a
    class can be compared which have no case in common."""
    names = distinct(plan.classes)
    for key, name in names.items():
        seconds = _by_host([each for task, each in receipts.items() if task.host_class == key])
        for host, own in seconds.items():
            ratios = {
                of: value / usual
                for of, value in own.items()
                if (usual := _usual([x[of] for h, x in seconds.items() if h != host and of in x]))
            }
            if not ratios or (times := median(ratios.values())) < SLOW:
                continue
            of = min(ratios, key=lambda each: abs(ratios[each] - times))
            here, there = own[of] * 1e3, own[of] / ratios[of] * 1e3
            yield (
                f"{host} is slow: the timing reference takes {times:.2f} times what it takes on "
                f"other hosts of {name} ({of[0]}, batch {of[2]}: {here:.3g} ms against "
                f"{there:.3g} ms): its speed-ups were taken in pairs, its times are its own"
            )


def _usual(seconds: list[float]) -> float:
    return median(seconds) if seconds else 0.0


def _by_host(receipts: list[Receipt]) -> dict[str, dict[Reference, float]]:
    """Median seconds of the timing reference, of each host that timed a case."""
    found: dict[str, dict[Reference, list[float]]] = {}
    for each in receipts:
        for row in rows(each.report):
            of = (row.case.model, row.case.device, row.case.batch)
            found.setdefault(each.host, {}).setdefault(of, []).extend(
                seconds
                for timed in row.typed.values()
                if isinstance(timed, TimedRow)
                for seconds in timed.extra_info.reference.rounds
            )
    return {
        host: {of: median(rounds) for of, rounds in own.items() if rounds}
        for host, own in found.items()
    }
