"""What base and head execute, counted by an arm of each side and compared: no times, no noise."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any

from vitbench.case import Case
from vitbench.duet.conversation import Conversation
from vitbench.duet.play_case import LOAD_SECONDS, in_parallel
from vitbench.duet.progress import Progress
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.judge.verdict import Verdict
from vitbench.structure import Structure, differences

SIDES = ("base", "head")


def compare_structures(
    arm_of: Callable[[str], AbstractContextManager[Conversation]],
    cases: Iterable[Case],
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Fill `progress.structures` for the cases that both sides have prepared and that differ.

    The arms are fresh and time nothing. Where a structure cannot be had, the only line says why.
    An arm of an older vitbench counts nothing: that is said once.
    """
    open_cases = [case for case in cases if case.id not in progress.identical]
    both = [c for c in open_cases if all(c.id in progress.prepared[side] for side in SIDES)]
    if not both:
        return
    with ExitStack() as stack:
        # Started by this thread, as in a block.
        arms = {side: stack.enter_context(arm_of(side)) for side in SIDES}
        for case in both:
            say(f"counting what {case.id} executes")
            try:
                found = _structures(case, arms, progress)
            except UserError as reason:
                if "there is no verb" in str(reason):
                    say(f"what the cases execute is not compared: {reason}")
                    return
                progress.structures[case.id] = [f"not compared: {reason}"]
            except (Unavailable, WorkerFailed) as reason:
                progress.structures[case.id] = [f"not compared: {reason}"]
            else:
                progress.structures[case.id] = differences(*found)
            for side, arm in arms.items():
                if arm.closed:
                    arms[side] = stack.enter_context(arm_of(side))


def _structures(case: Case, arms: dict[str, Conversation], progress: Progress) -> list[Structure]:
    """Base's and head's. Raises what an arm raised, with the name of its side."""

    def ask(side: str) -> Structure:
        prepared = progress.prepared[side][case.id]
        size = prepared.get("artifact", {}).get("bytes", 0)
        request: dict[str, Any] = {"verb": "structure", **prepared["load"], "artifact_bytes": size}
        try:
            return Structure.from_json(arms[side].ask(request, LOAD_SECONDS))
        except Unavailable as reason:
            raise Unavailable(f"{side}: {reason}") from reason

    return in_parallel(ask, SIDES)


def with_structure(verdict: Verdict, progress: Progress) -> Verdict:
    """The verdict, and beside it the lines of its case. They change no state."""
    lines = progress.structures.get(verdict.case)
    if lines is None:
        return verdict
    return replace(verdict, figures={**verdict.figures, "structure": lines})
