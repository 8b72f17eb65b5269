"""Cases under load: their columns, and the lines below them on bounds, evidence and controls."""

from collections.abc import Iterator, Sequence

from vitbench.report.fields import FIELD, LOAD, finite
from vitbench.report.loaded import Load
from vitbench.report.reader import Row
from vitbench.show.columns import CASE, Column, plain

ESTIMATES = (
    "estimate: one run at the rate that a simulated queue carries; --load-proof proves a rate by a "
    "run of its own"
)

OTHERS = "SingleStream and Offline are each of the arrangement that is the best for them"


def load_columns() -> list[Column]:
    """Most important first."""
    fields = {each.name: plain(each) for each in FIELD.values() if each.groups == LOAD}
    names = ("server_rate", "server_queries", "requests_per_unit")
    first = [fields.pop(name) for name in names]
    evidence = Column("load_evidence", "evidence", "evidence", _evidence)
    arrangement = Column("arrangement", "server arrangement", "server arrangement", _arrangement)
    front = Column("load_front", "front half", "front half", _front)
    return [CASE, *first, evidence, arrangement, front, *fields.values()]


def by_rate(found: Sequence[Row]) -> dict[str, list[Row]]:
    """The cases under load by model, the one with the highest estimate first."""
    groups: dict[str, list[Row]] = {}
    for row in sorted(found, key=lambda row: -row.loaded.estimate if row.loaded else 0.0):
        if row.loaded:
            groups.setdefault(row.case.model, []).append(row)
    return {row.case.model: groups[row.case.model] for row in found if row.case.model in groups}


def load_lines(found: Sequence[Row]) -> Iterator[str]:
    """The bounds and where they are from, what an estimate is, notes of cases, and controls."""
    loaded = [(row, row.loaded) for row in found if row.loaded]
    yield from dict.fromkeys(
        f"{row.case.model} on {row.case.device}: latency bound {load.latency_bound_ms:g} ms "
        f"({load.latency_bound})"
        for row, load in loaded
    )
    yield from dict.fromkeys(
        f"{row.case.model}: a query is the bytes of one of {load.photographs}"
        for row, load in loaded
        if load.from_jpeg
    )
    if any(load.load_evidence == "estimate" and load.server_rate for _, load in loaded):
        yield ESTIMATES
    if any(len(load.arrangements) > 1 for _, load in loaded):
        yield OTHERS
    for row, load in loaded:
        yield from (f"{row.case.id}: {note}" for note in load.notes)
    yield from _controls([load for _, load in loaded])


def _controls(found: Sequence[Load]) -> Iterator[str]:
    ratios = [each.a_a["p99_ratio"] for each in found if finite(each.a_a.get("p99_ratio"))]
    apart = [max(ratio, 1 / ratio) - 1 for ratio in ratios if ratio > 0]
    if apart:
        runs = f"{len(apart)} pair{'s' * (len(apart) > 1)} of runs"
        yield f"A/A, the same arrivals twice: p99 differs by at most {max(apart):.0%} in {runs}"
    limits = [each.generator_limit for each in found if each.generator_limit]
    if limits:
        yield f"the generator of load alone sends {min(limits):,.0f} queries/s"


def _evidence(row: Row) -> str:
    return row.loaded.load_evidence if row.loaded else ""


def _front(row: Row) -> str:
    return row.loaded.front if row.loaded else ""


def _arrangement(row: Row) -> str:
    return row.loaded.arrangement if row.loaded else ""
