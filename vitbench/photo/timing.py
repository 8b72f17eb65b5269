"""How long front halves take by themselves, and chains beside each other."""

import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np

from vitbench.measure.clock import BusyClock
from vitbench.measure.paired import PairedRounds, Turn
from vitbench.measure.throttled import Throttling
from vitbench.photo.chain import FrontHalf

LEAST, MOST = 5, 200
"""Rounds of front halves: at least, at most."""


def use_threads(threads: int) -> None:
    """Of the libraries of front halves that this process has imported: OpenCV and torch."""
    if "cv2" in sys.modules:
        import cv2

        cv2.setNumThreads(threads)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def front_seconds(
    fronts: Mapping[str, FrontHalf],
    jpeg: bytes,
    seconds: float,
    now: Callable[[], float] = perf_counter,
) -> dict[str, float]:
    """Median seconds of each front half on one photograph, by name.

    They take turns, each in another place of each round, until `seconds` are over; every timed call
    follows an untimed one of the same front half.
    """
    names, taken = list(fronts), {name: list[float]() for name in fronts}
    begun = now()
    for number in range(MOST):
        if number >= LEAST and now() - begun > seconds:
            break
        turn = number % max(1, len(names))
        for name in (*names[turn:], *names[:turn]):
            fronts[name](jpeg)
            start = now()
            fronts[name](jpeg)
            taken[name].append(now() - start)
    return {name: float(np.median(each)) for name, each in taken.items()}


def rounds_of(pairs: PairedRounds, seconds: float, least: int) -> int:
    """How many rounds fill so many seconds, after a warm-up."""
    return pairs.rounds_for(seconds, pairs.warm_up(), least)


def paired(
    case: Turn,
    reference: Turn,
    seconds: float,
    play: Callable[[PairedRounds, int], Sequence[float]],
    least: int,
    clock: BusyClock | None = None,
) -> tuple[list[float], list[float], dict[str, float] | None]:
    """Seconds of both in each of the rounds that `seconds` hold, and how long the kernel stopped
    this process meanwhile."""
    pairs = PairedRounds(case, reference, clock or BusyClock())
    try:
        rounds = rounds_of(pairs, seconds, least)
        throttling = Throttling()
        own = list(play(pairs, rounds))
        return own, list(pairs.reference_seconds), throttling.so_far()
    finally:
        pairs.close()
