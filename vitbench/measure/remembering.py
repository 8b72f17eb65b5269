"""Whether what answers remembers images that it saw before: MLPerf's TEST04."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import WrongOutputs
from vitbench.measure.clock import BusyClock
from vitbench.measure.preprocessed import Images
from vitbench.measure.unseen import unseen
from vitbench.runtimes.base import Deployment

FASTER = 1.10
"""A repeated image may be answered so many times as fast as new ones, as in MLPerf's TEST04."""
IN_A_ROW = 4
LOOKS = 3
LOOK_SECONDS = (0.4, 1.0, 2.0, 4.0)
"""Of the looks at a deployment, each of PAIRS pairs of calls where so many fit, and of one at
least."""
PAIRS = 16
SLACK_SECONDS = 2e-4
"""By so much an image may be answered sooner the second time: it is read from memory the first."""
RESULTS = "something remembers results, so no figure of it is kept"
RESPONSES = (
    "the server, or a proxy before it, remembers responses, so no figure of it is kept: switch its "
    "response cache off for this model (of Triton `response_cache`, of MLServer `cache_enabled`)"
)


@dataclass(frozen=True)
class Repeated:
    """Seconds of a call on one image over and over, and on images never seen before: those that a
    quarter of the calls keep within, which other programs of the machine disturb least."""

    repeated_seconds: float
    new_seconds: float
    calls: int

    @property
    def speedup(self) -> float:
        return self.new_seconds / self.repeated_seconds


def repeated_image(
    name: str,
    ask: Callable[[Sequence[int]], list[float]],
    known: int,
    new: Sequence[int],
) -> Repeated:
    """Whether a server remembers images: MLPerf's TEST04.

    `ask` returns the seconds of calls on samples; `known` is sent again and again, in turns with
    `new` ones, a few of each in a row, of which the first does not count. They are asked in three
    parts, the next one where the server seems to remember: noise does so rarely three times in a
    row. Raises WrongOutputs.
    """
    found = Repeated(1.0, 1.0, 0)
    for part in np.array_split(np.asarray(new), LOOKS):
        repeated: list[float] = []
        others: list[float] = []
        for start in range(0, len(part), IN_A_ROW):
            row = [int(each) for each in part[start : start + IN_A_ROW]]
            repeated += ask([known] * len(row))[min(1, len(row) - 1) :]
            others += ask(row)[min(1, len(row) - 1) :]
        found = Repeated(_quick(repeated), _quick(others), len(others))
        if found.speedup <= FASTER:
            return found
    raise _remembers(name, found, RESULTS)


def require_no_memory(
    name: str, deployment: Deployment, images: Images, batch: int, what: str = RESULTS
) -> Repeated:
    """Whether a deployment, of this process or a server, remembers what it answered, in about half
    a second: batches that nobody sent, an earlier run neither, are called twice each. So a network
    whose work depends on the image passes, and so does one whose first call is slow: where the
    second calls are faster there is another look, at more calls, and each must say so. Raises
    WrongOutputs, which ends with `what` remembers and what to do."""
    clock, fresh, found = BusyClock(), _fresh(images, batch), Repeated(1.0, 1.0, 0)

    def pair(staged: Any) -> tuple[float, float]:
        return clock.call(deployment, staged)[1], clock.call(deployment, staged)[1]

    for budget in LOOK_SECONDS:
        with deployment.active():
            pairs = [pair(deployment.stage(next(fresh)))]
            more = min(PAIRS, int(budget / max(sum(pairs[0]), 1e-6))) - 1
            others = [deployment.stage(next(fresh)) for _ in range(more)]
            pairs += [pair(each) for each in others]
        first, again = zip(*pairs, strict=True)
        found = Repeated(_quick(again), _quick(first), len(pairs))
        if found.new_seconds <= FASTER * found.repeated_seconds + batch * SLACK_SECONDS:
            return found
    raise _remembers(name, found, what)


def _fresh(images: Images, batch: int) -> Iterator[NDArray[np.float32]]:
    """Batches for ever, each moved further around the edge than the one before, and paler."""
    others, chance = unseen(images, batch, batch), np.random.default_rng()
    height, width = others.shape[-2:]
    start, step = int(chance.integers(height * width)), max(1, height * width // 48)
    for number in count():
        moved = np.roll(others, divmod(start + number * step, width), (-2, -1))
        yield moved * np.float32(chance.uniform(0.9, 1.0))


def _remembers(name: str, found: Repeated, what: str) -> WrongOutputs:
    return WrongOutputs(
        f"{name}: one image over and over is answered {found.speedup:.2f} times as fast as images "
        f"that it never saw ({1000 * found.repeated_seconds:.3g} ms against "
        f"{1000 * found.new_seconds:.3g} ms, at most {FASTER:g} times is allowed): {what}"
    )


def _quick(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 25))
