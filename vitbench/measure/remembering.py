"""Whether what answers remembers images that it saw before: MLPerf's TEST04."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import WrongOutputs
from vitbench.measure.clock import BusyClock
from vitbench.measure.preprocessed import Images, wrapped
from vitbench.measure.unseen import unseen
from vitbench.runtimes.base import Deployment

FASTER = 1.10
"""A repeated image may be answered so many times as fast as new ones, as in MLPerf's TEST04."""
IN_A_ROW = 4
LOOKS = 3
NEW = 48
LOOK_SECONDS = 4.0
"""Where a look at a server would take longer, it has fewer calls, down to two rows."""
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
    what: str = RESULTS,
) -> Repeated:
    """Whether a server remembers images: MLPerf's TEST04.

    `ask` returns the seconds of calls on samples; `known` is sent again and again, in turns with
    `new` ones, a few of each in a row, of which the first does not count. They are asked in three
    parts, the next one where the server seems to remember: noise does so rarely three times in a
    row. Raises WrongOutputs, which ends with `what` remembers and what to do.
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
    raise WrongOutputs(
        f"{name}: one image over and over is answered {found.speedup:.2f} times as fast as images "
        f"that it never saw ({1000 * found.repeated_seconds:.3g} ms against "
        f"{1000 * found.new_seconds:.3g} ms, at most {FASTER:g} times is allowed): {what}"
    )


def repeated_request(name: str, deployment: Deployment, images: Images, batch: int) -> Repeated:
    """As `repeated_image`, of a server that is sent the first batch of `images` and batches that
    nobody sent, an earlier run neither. Each is staged right before its call, so that both are as
    near in memory. Raises WrongOutputs."""
    known, others = wrapped(images, 0, batch), unseen(images, batch, batch)
    clock, chance, (height, width) = BusyClock(), np.random.default_rng(), known.shape[-2:]
    start, step = int(chance.integers(height * width)), max(1, height * width // NEW)

    def batch_of(number: int) -> NDArray[np.float32]:
        """0 is the known one; the others are moved around the edge, each further, and paler. Both
        take the same work, since a call after more work is slower."""
        turn = start + number * step if number else 0
        pale = chance.uniform(0.9, 1.0) if number else 1.0
        moved = np.roll(others if number else known, divmod(turn, width), (-2, -1))
        return moved * np.float32(pale)

    def ask(numbers: Sequence[int]) -> list[float]:
        with deployment.active():
            return [
                clock.call(deployment, deployment.stage(batch_of(number)))[1] for number in numbers
            ]

    seconds = clock.time(lambda: ask([0, 0])) / 2
    rows = int(LOOK_SECONDS / max(seconds, 1e-6) / 2 / IN_A_ROW)
    count = LOOKS * IN_A_ROW * max(1, min(NEW // LOOKS // IN_A_ROW, rows))
    return repeated_image(name, ask, 0, range(1, count + 1), RESPONSES)


def _quick(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 25))
