"""From the photograph to the answer of one case: judge the front halves, choose one, time it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitbench.case import Case
from vitbench.errors import Unavailable, with_kind
from vitbench.measure.clock import BusyClock
from vitbench.measure.measurement import Subject
from vitbench.measure.measuring import Play, plain_rounds, refuse_memory
from vitbench.measure.session import Session
from vitbench.measure.timing_lock import timing_alone
from vitbench.photo import photographs
from vitbench.photo.backends import BACKENDS
from vitbench.photo.chain import FrontHalf, chained
from vitbench.photo.judging import FrontState, Judge, own, photograph_of
from vitbench.photo.measurement import Front, PhotoMeasurement, TimedPhoto
from vitbench.photo.photographs import LARGE, USUAL, Photograph
from vitbench.photo.pixels import PixelLimit
from vitbench.photo.steps import Steps
from vitbench.photo.timing import front_seconds, paired, use_threads
from vitbench.runtimes import Deployment

OWN = "own"
"""What the front half is called that all are compared with."""
SHARE = 1 / 3
"""Of the seconds of a case: what each comparison takes beside the row's own."""
LEAST = 10  # rounds of those comparisons


@dataclass(frozen=True)
class _Chain:
    name: str
    deployment: Deployment
    front: FrontHalf | None  # None where it is a part of the graph


def measure_photo(
    session: Session,
    case: Case,
    least_rounds: int,
    play: Play = plain_rounds,
    clock: BusyClock | None = None,
) -> PhotoMeasurement:
    """Verify a case; judge each front half on the whole chain; time the fastest that keeps limits.

    The row's rounds are of the photograph of USUAL size, in pairs with the chain of Pillow and the
    model's own preprocessing; the same is measured of the LARGE one, and both beside inference
    alone. Raises UserError where the case is BROKEN or remembers what it answered; Unavailable and
    WorkerFailed as the session.
    """
    session.verified(case)
    deployment, model = session.deployment(case), session.model(case.model)
    reference = _Chain(OWN, chained(own(model.preprocess), deployment), own(model.preprocess))
    judge = _judge(session, case)
    session.say(f"judging front halves of {case.id} on {judge.count} photographs")
    outputs = judge.outputs(reference.deployment)
    fronts, chains = [Front(OWN, "REFERENCE", f"{OWN}: Pillow and the model's preprocessing")], []
    chained_by, room = _chains(session, case, deployment), 0.0
    use_threads(session.options.threads)  # of what was imported for the chains
    pixel_limit = PixelLimit((), (), 0.0)
    if not all(isinstance(chain, str) for _, chain in chained_by):
        room = judge.room(model.preprocess, deployment, outputs)
        pixel_limit = PixelLimit.of(own(model.preprocess), Steps.of(model.preprocess))
    for name, chain in chained_by:
        if isinstance(chain, str):
            fronts.append(Front(name, "unavailable", f"{name}: {chain}"))
            continue
        row, kinds = BACKENDS[name], len(photographs.whole())
        limits = replace(row.limits, relative_error=max(row.limits.relative_error, room))
        found = judge.judged(name, chain.deployment, outputs, limits, kinds + row.images)
        found = pixel_limit.judged(found, name, chain.front)
        fronts.append(_front(name, found))
        if found.state != "BROKEN":
            chains.append(chain)
    kept = [each.name for each in fronts if each.state == "KEPT"]
    able = [chain for chain in chains if chain.name in kept] or chains
    with timing_alone(session.say) as waited_seconds:
        refuse_memory(session, case)
        timed = []
        for name in (USUAL, LARGE):
            photograph = photographs.named(name)
            alone = front_seconds(
                {each.name: each.front for each in (reference, *chains) if each.front},
                photograph.jpeg,
                session.options.seconds,
            )
            chosen, whole = _fastest(session, able or [reference], alone, reference, photograph)
            fronts = [_with(each, name, alone, whole) for each in fronts]
            main = name == USUAL
            timed.append(
                _timed(
                    session, case, photograph, chosen, reference, deployment,
                    least_rounds if main else LEAST, play if main else plain_rounds,
                    clock if main else None,
                )
            )  # fmt: skip
    subject = Subject(case, session.artifact(case))
    return PhotoMeasurement(
        subject, tuple(timed), tuple(fronts), judge.count, pixel_limit.most, waited_seconds
    )


def _judge(session: Session, case: Case) -> Judge:
    """Of photographs of all kinds, and then of as many images as the largest row asks for."""
    most = max(each.images for each in BACKENDS.values())
    sample, kinds = session.inputs.photos[:most], photographs.photographs()
    every = (*kinds, *map(photograph_of, sample))
    clusters = (*(f"kind {each.name}" for each in kinds), *(photo.cluster for photo in sample))
    return Judge(session.model(case.model), every, clusters)


def _chains(
    session: Session, case: Case, deployment: Deployment
) -> Sequence[tuple[str, _Chain | str]]:
    """Of each row of the table, or why it has none here."""
    found: list[tuple[str, _Chain | str]] = []
    try:
        steps = Steps.of(session.model(case.model).preprocess)
    except Unavailable as reason:
        return [(name, str(reason)) for name in BACKENDS]
    for name, backend in BACKENDS.items():
        try:
            made = backend.chain(steps, session.placement(case), deployment)
            front = backend.front_half(steps) if backend.resizer else None
            found.append((name, _Chain(name, made, front)))
        except Unavailable as reason:
            found.append((name, str(reason)))
        except Exception as error:  # of a library: the other front halves go on
            found.append((name, with_kind(error)))
    return found


def _front(name: str, found: FrontState) -> Front:
    agreement = found.agreement
    if agreement is None:
        return Front(name, found.state, found.sentence, pixel_difference=found.pixels)
    figures = agreement.to_json()
    return Front(
        name, found.state, found.sentence, figures["share"] if agreement.claimed else None,
        figures["relative_error"], found.pixels,
    )  # fmt: skip


def _with(
    front: Front, photograph: str, alone: Mapping[str, float], whole: Mapping[str, float]
) -> Front:
    """With what was measured of it on one more photograph."""
    seconds, over = ({photograph: x[front.name]} if front.name in x else {} for x in (alone, whole))
    return replace(front, seconds={**front.seconds, **seconds}, over_own={**front.over_own, **over})


def _fastest(
    session: Session,
    able: Sequence[_Chain],
    alone: Mapping[str, float],
    reference: _Chain,
    photograph: Photograph,
) -> tuple[_Chain, dict[str, float]]:
    """The front half that takes least by itself. Where there are graphs with their own, it and they
    are compared as whole chains: times of the reference's, which come along."""
    plain = [each for each in able if each.name in alone]
    finalists = [min(plain, key=lambda each: alone[each.name])] if plain else []
    finalists += [each for each in able if each.front is None]
    if len(finalists) == 1:
        return finalists[0], {}
    jpegs = [photograph.jpeg]
    over = {
        each.name: float(np.median(np.divide(*paired(
            (each.deployment, jpegs), (reference.deployment, jpegs),
            session.options.seconds * SHARE, plain_rounds, LEAST,
        )[:2])))
        for each in finalists
    }  # fmt: skip
    return min(finalists, key=lambda each: over[each.name]), over


def _timed(
    session: Session,
    case: Case,
    photograph: Photograph,
    chosen: _Chain,
    reference: _Chain,
    deployment: Deployment,
    least: int,
    play: Play,
    clock: BusyClock | None,
) -> TimedPhoto:
    """The chosen chain in pairs with the reference's, and then with inference alone."""
    jpegs, seconds = [photograph.jpeg], session.options.seconds
    whole, pillow, throttled = paired(
        (chosen.deployment, jpegs), (reference.deployment, jpegs), seconds, play, least, clock
    )
    staged = deployment.stage(session.first_batch(case)[:1])
    beside, inference, _ = paired(
        (chosen.deployment, jpegs), (deployment, staged), seconds * SHARE, plain_rounds, LEAST
    )
    return TimedPhoto(photograph, chosen.name, whole, pillow, beside, inference, throttled)
