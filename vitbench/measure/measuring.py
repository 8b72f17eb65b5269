"""Verify, then time: what a benchmark does with a case, with or without pytest."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from vitbench.case import Case
from vitbench.errors import Unavailable, UserError
from vitbench.measure.clock import BusyClock
from vitbench.measure.columns import listed
from vitbench.measure.extras import Extras
from vitbench.measure.flips import surest_flips
from vitbench.measure.measurement import FootprintMeasurement, Measurement, Subject
from vitbench.measure.outputs import Reading, Witness, drawn_rounds
from vitbench.measure.paired import PairedRounds
from vitbench.measure.remembering import RESPONSES, RESULTS, require_no_memory
from vitbench.measure.session import Session
from vitbench.measure.throttled import Throttling
from vitbench.measure.timing_lock import timing_alone
from vitbench.measure.verification import Verification, answers_of
from vitbench.report.timed import ComparedInfo, Outputs, Predictions
from vitbench.runtimes import Deployment

RECORDED = 4096
"""Images whose answers a report keeps, of each case. Three lines an image are half a megabyte."""
Play: TypeAlias = Callable[[PairedRounds, int], Sequence[float]]
"""Plays so many rounds (`setup`, the call, `teardown`). Returns the seconds that the clock of the
rounds advanced by during each call."""


def plain_rounds(pairs: PairedRounds, rounds: int) -> list[float]:
    """A Play without pytest-benchmark."""
    seconds = []
    for _ in range(rounds):
        pairs.setup()
        before = pairs.clock()
        pairs()
        seconds.append(pairs.clock() - before)
        pairs.teardown()
    return seconds


def measure_in_pairs(
    session: Session,
    case: Case,
    least_rounds: int,
    play: Play = plain_rounds,
    clock: BusyClock | None = None,
    operators: bool = False,
    structure: bool = False,
    afterwards: Mapping[str, Callable[[Deployment, Any], None]] | None = None,
) -> Measurement:
    """Verify a case, and time it in pairs with the session's reference, alone on this machine.

    `clock` is the one that `play` reads, a new one unless given. `operators` asks for the profile
    of a call, where the session's options do, `structure` for what a call executes. `afterwards`
    are names of what else to do with the deployment and its staged images when the rounds are over;
    where that fails, the measurement names it in `left_out`.
    Raises UserError where case or reference is BROKEN, or answers otherwise than verified;
    Unavailable and WorkerFailed as the session does.
    """
    options, extras = session.options, Extras(case, session)
    reference = replace(case, variant=options.reference)
    verification = session.verified(case)
    if reference != case and session.verify(reference).agreement.state == "BROKEN":
        raise UserError(f"its reference {reference.id} is BROKEN: not timed against it")
    turns = (
        session.deployment(case),
        session.deployment(reference, copy=int(reference == case)),
    )
    images = session.first_batch(case)
    first, second = ((deployment, deployment.stage(images)) for deployment in turns)
    operations = extras.operations()
    with timing_alone(session.say) as waited_seconds:
        peak = extras.peak()
        witnesses = (witness(session, case), witness(session, reference))
        pairs = PairedRounds(first, second, clock or BusyClock(), witnesses)
        seed = random.SystemRandom().getrandbits(32)
        with closing(pairs):
            rounds = pairs.rounds_for(options.seconds, pairs.warm_up(), least_rounds)
            for each in (case, reference):
                refuse_memory(session, each)
            drawn = drawn_rounds(rounds, seed)
            pairs.draw(drawn, rounds)
            throttling = Throttling()
            seconds = play(pairs, rounds)
            throttled = throttling.so_far()
        for name, work in (afterwards or {}).items():
            extras.get(name, partial(work, *first))
        energy = extras.energy(*first)
        return Measurement(
            subject=Subject(case, session.artifact(case)),
            seconds=seconds,
            reference=reference,
            reference_seconds=pairs.reference_seconds,
            waited_seconds=waited_seconds,
            throttled=throttled,
            agreement=verification.agreement,
            outputs=Outputs(seed, sorted(drawn), *(ComparedInfo(**w.to_json()) for w in witnesses)),
            predictions=_predictions(session, case, verification),
            flips=surest_flips(
                verification.measured, session.inputs.photos, thumbnails=options.thumbnails
            ),
            operations=operations,
            peak_per_second=peak,
            stages=extras.stages(turns[0], images),
            operators=extras.operators(images) if operators else [],
            left_out=extras.left_out,
            structure=extras.structure() if structure else None,
            energy=energy,
        )


def refuse_memory(session: Session, case: Case) -> None:
    """Raises WrongOutputs where a case remembers what it answered, since every round sends the same
    batch. Asked of servers, each time, and of what has code of the user's own, once."""
    recipe = session.recipe(case)
    own = recipe.origin != "vitbench" or "code" in session.model(case.model).architecture
    if case in session.remembers_nothing or not own:
        return
    what = RESPONSES if recipe.served else RESULTS
    images = session.sample(case.model).images
    require_no_memory(case.id, session.deployment(case), images, case.batch, what)
    if not recipe.served:
        session.remembers_nothing.add(case)


def measure_footprint(
    session: Session, case: Case, charge: Callable[[float], None] = lambda _: None
) -> FootprintMeasurement:
    """Load a case in a fresh process and infer once, alone on this machine.

    `charge` is given the seconds of that process, by its own clock. Raises as `measure_in_pairs`.
    """
    if session.recipe(case).served:
        raise Unavailable("a running server computes it: its memory and its start are not seen")
    session.first_loads.prove(case, lambda: timing_alone(session.say))
    session.verified(case)
    seen = witness(session, case)
    with timing_alone(session.say) as waited_seconds:
        fresh = session.first_loads.fresh(case)  # the first load itself, if it was in this run
        seen.begin(list(fresh.answers), "in a process of its own")
        subject = Subject(case, session.artifact(case))
        found = FootprintMeasurement(subject, fresh.figures, waited_seconds, seen.to_json())
        charge(found.seconds)
    return found


def witness(session: Session, case: Case) -> Witness:
    """Compares the outputs of a case that is timed with the verified ones."""
    found, recipe = session.verify(case), session.recipe(case)
    reading = Reading.of(found.measured)
    return Witness(
        case.id, found.first_output, recipe.limits, case.device, reading, exact=not recipe.served
    )


def _predictions(session: Session, case: Case, verification: Verification) -> Predictions:
    """Of the first RECORDED images: the choice of images takes class folders in turns, so these are
    what a smaller --verify-images would choose."""
    measured, ids = verification.measured, session.sample(case.model).ids
    first = list(ids[:RECORDED])
    if "top1" in measured:
        return Predictions(
            first, listed(measured["top1"], RECORDED), listed(measured["own_margin"], RECORDED)
        )
    own, _, tolerance = answers_of(verification, ids, session.recipe(case).limits)
    return Predictions(first[: len(own)], [], [], own[:RECORDED], tolerance)
