"""The front half of a case where there is no time for all: the fastest that is not BROKEN."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vitbench.case import Case
from vitbench.errors import Unavailable, UserError
from vitbench.measure.session import Session
from vitbench.photo import photographs
from vitbench.photo.backends import BACKENDS
from vitbench.photo.chain import FrontHalf, chained
from vitbench.photo.judging import Judge, own
from vitbench.photo.photographs import Photograph
from vitbench.photo.pixels import PixelLimit
from vitbench.photo.steps import Steps
from vitbench.photo.timing import front_seconds, use_threads
from vitbench.runtimes import Deployment

SECONDS = 0.5  # for the times of all front halves together
NAMES = tuple(name for name, row in BACKENDS.items() if row.resizer)
"""Of the front halves that can be chosen: those that are no part of a graph."""


@dataclass(frozen=True)
class ChosenFront:
    """A row of the table, by its `name`, KEPT or UNPROVEN by its limits, and the `chain` of it and
    the case's deployment in this process. `judged` photographs decided."""

    name: str
    state: str
    sentence: str
    judged: int
    chain: Deployment


def chosen_front(
    session: Session,
    case: Case,
    queries: Sequence[Photograph],
    clusters: Sequence[str],
    name: str = "",
) -> ChosenFront:
    """The fastest on the first of the photographs `queries` that is not BROKEN, of NAMES; `name`
    leaves one to choose. All kinds of photographs and `queries` decide; `clusters` are what each of
    those is a picture of.

    Raises Unavailable where there is none: the preprocessing cannot be written out, or packages are
    missing; UserError where all are BROKEN.
    """
    model = session.model(case.model)
    deployment, steps = session.deployment(case), Steps.of(model.preprocess)
    fronts = _fronts(steps, (name,) if name else NAMES)
    use_threads(session.options.threads)
    kinds = photographs.photographs()
    judge = Judge(model, [*kinds, *queries], [*(f"kind {each.name}" for each in kinds), *clusters])
    session.say(f"choosing a front half of {case.id} on {judge.count} photographs")
    outputs = judge.outputs(chained(own(model.preprocess), deployment))
    room = judge.room(model.preprocess, deployment, outputs)
    pixel_limit = PixelLimit.of(own(model.preprocess), steps)
    seconds = front_seconds(fronts, queries[0].jpeg, SECONDS)
    broken = []
    for each in sorted(fronts, key=lambda each: seconds[each]):
        own_limits, chain = BACKENDS[each].limits, chained(fronts[each], deployment)
        limits = replace(own_limits, relative_error=max(own_limits.relative_error, room))
        found = judge.judged(each, chain, outputs, limits)
        found = pixel_limit.judged(found, each, fronts[each])
        if found.state != "BROKEN":
            return ChosenFront(each, found.state, found.sentence, judge.count, chain)
        broken.append(found.sentence)
    raise UserError(f"{case.id}: no front half keeps its limits: {'; '.join(broken)}")


def _fronts(steps: Steps, names: Sequence[str]) -> dict[str, FrontHalf]:
    found, lacking = {}, []
    for name in names:
        try:
            found[name] = BACKENDS[name].front_half(steps)
        except Unavailable as reason:
            lacking.append(f"{name}: {reason}")
    if not found:
        raise Unavailable(f"no front half: {'; '.join(lacking)}")
    return found
