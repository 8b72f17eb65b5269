"""The operators of slower cases: every arm profiles them by turns, in rounds of fresh processes."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from vitbench.duet.conversation import Conversation
from vitbench.duet.operators import LEAST_ROUNDS, ROUNDS, with_operators
from vitbench.duet.play_case import LOAD_SECONDS
from vitbench.duet.turns import ARMS
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.judge.verdict import Verdict
from vitbench.measure.timing_lock import timing_alone

MOST_SECONDS = 180.0  # of all slower cases; LEAST_ROUNDS are played whatever they take
Loads = Mapping[str, Mapping[str, Any]]
Rows = list[dict[str, Any]]


def explain_slower(
    verdicts: Iterable[Verdict],
    loads: Callable[[str], Loads],
    start: Callable[[str], AbstractContextManager[Conversation]],
    say: Callable[[str], None],
) -> list[Verdict]:
    """The verdicts; the sentence of each SLOWER says where its time is, if its runtime can profile.

    `loads` gives, of a case, the request by which each arm loads it. `start` starts an arm.
    """
    found = list(verdicts)
    slower = [verdict.case for verdict in found if verdict.state == "SLOWER"]
    if not slower:
        return found
    say(f"comparing the operators of {', '.join(slower)}")
    with timing_alone(say):
        profiles = _profiles({case: loads(case) for case in slower}, start, say)
    return [
        with_operators(verdict, profiles[verdict.case]) if verdict.case in profiles else verdict
        for verdict in found
    ]


def _profiles(
    loads: Mapping[str, Loads],
    start: Callable[[str], AbstractContextManager[Conversation]],
    say: Callable[[str], None],
) -> dict[str, dict[str, list[Rows]]]:
    """By case and arm, a profile of each round; without the cases that could not be profiled."""
    profiles: dict[str, dict[str, list[Rows]]] = {c: {arm: [] for arm in ARMS} for c in loads}
    began = time.monotonic()
    for number in range(ROUNDS):
        if number >= LEAST_ROUNDS and time.monotonic() - began > MOST_SECONDS:
            break
        names = [*ARMS[number % len(ARMS) :], *ARMS[: number % len(ARMS)]]
        try:
            _round(names, {case: loads[case] for case in profiles}, profiles, start, say)
        except WorkerFailed as reason:  # an arm that does not start; finished rounds count
            say(f"no more profiles: {reason}")
            break
        if not profiles:
            break
    return {
        case: by_arm
        for case, by_arm in profiles.items()
        if min(len(rounds) for rounds in by_arm.values()) >= LEAST_ROUNDS
    }


def _round(
    names: Sequence[str],
    loads: Mapping[str, Loads],
    profiles: dict[str, dict[str, list[Rows]]],
    start: Callable[[str], AbstractContextManager[Conversation]],
    say: Callable[[str], None],
) -> None:
    """One profile of every case in every arm. A case that an arm cannot profile is taken out."""
    with ExitStack() as stack:
        arms = {name: stack.enter_context(start(name)) for name in names}
        for case, by_arm in loads.items():
            try:
                rows = {
                    name: arms[name].ask({"verb": "operators", **by_arm[name]}, LOAD_SECONDS)
                    for name in names
                }
            except (Unavailable, UserError, WorkerFailed) as reason:
                say(f"{case}: no operators to compare: {reason}")
                del profiles[case]
                for name, arm in arms.items():
                    if arm.closed:
                        arms[name] = stack.enter_context(start(name))
                continue
            for name in names:
                profiles[case][name].append(rows[name])
