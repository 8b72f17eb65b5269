"""What is worth deploying over several machines: faster is dearer, and nothing else is left."""

from collections.abc import Iterator
from dataclasses import dataclass

from vitbench.judge.best import Choice
from vitbench.judge.candidates import COST
from vitbench.judge.change import run_factor


@dataclass(frozen=True)
class PricedCase:
    """A variant on a machine: ms of a call, and how many images a unit of money buys."""

    report: str
    case: str
    latency_ms: float
    per_unit: float


def front_of(choices: dict[str, Choice]) -> tuple[PricedCase, ...]:
    """The fastest variant on any machine, then each slower one that costs less than all before it,
    by more than single runs differ by: no call of one machine is paired with one of another.

    `choices`: for the cost of images, by report. Variants that agree too little are on none of
    their fronts. () where one report alone has figures.
    """
    places = sorted(
        (place for name, choice in choices.items() for place in _places(name, choice)),
        key=lambda each: (each.latency_ms, -each.per_unit),
    )
    if len({each.report for each in places}) < 2:
        return ()
    front: list[PricedCase] = []
    for each in places:
        if not front or each.per_unit > run_factor() * front[-1].per_unit:
            front.append(each)
    return tuple(front)


def _places(report: str, choice: Choice) -> Iterator[PricedCase]:
    for each in choice.candidates:
        latency, per_unit = each.figures["latency"], each.figures[COST]
        if each.case in choice.front and latency and per_unit:
            yield PricedCase(report, each.case, latency, per_unit)
