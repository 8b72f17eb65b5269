"""A block of a duet: base, head and a second base take turns, call by call, in balanced order."""

from collections.abc import Callable, Mapping
from itertools import permutations

ARMS = ("base", "head", "null")
"""The null arm is a second base: what it differs by, the machine and the harness differ by."""
ORDERS = tuple(permutations(ARMS))
# With 12 rounds, blocks differed by the error within a block alone: docs/results.md, Why 24 rounds.
LEAST_ROUNDS, MOST_ROUNDS = 24, 600

Turns = Mapping[str, Callable[[], float]]
"""What takes an arm's turn: it returns the seconds of one timed call."""


def rounds_for(seconds: float, turn_seconds: float) -> int:
    """How many rounds fill `seconds`, where an arm's turn takes `turn_seconds` with its untimed
    call: a multiple of 6 between 24 and 600, so that each order comes equally often."""
    each = len(ARMS) * turn_seconds
    fitting = int(seconds / each) if each > 0 else MOST_ROUNDS
    return min(MOST_ROUNDS, max(LEAST_ROUNDS, fitting)) // len(ORDERS) * len(ORDERS)


def take_turns(turns: Turns, rounds: int, start: int = 0) -> dict[str, list[float]]:
    """Seconds by arm, each (rounds,), index for index from one round.

    Round r has the order `ORDERS[(start + r) % 6]`: over six rounds each arm is first, second and
    last twice, and follows each other one equally often, so a steady drift cancels.
    """
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for index in range(rounds):
        for arm in ORDERS[(start + index) % len(ORDERS)]:
            seconds[arm].append(turns[arm]())
    return seconds
