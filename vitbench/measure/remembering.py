"""Whether what answers remembers images that it saw before: MLPerf's TEST04."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import WrongOutputs
from vitbench.measure.clock import BusyClock
from vitbench.measure.preprocessed import Images
from vitbench.measure.unseen import unseen
from vitbench.runtimes.base import Deployment

FASTER = 1.10
"""An image may be answered so many times as fast the last time, as a repeated one in TEST04."""
SENT = 4
"""Calls on each image, one after the other: a cache may keep only what was asked for twice (of
nginx `proxy_cache_min_uses`), or three times."""
LOOK_SECONDS = (0.4, 2.0, 4.0, 8.0)
"""Of the looks, each of at most IMAGES images or batches, as many as fit and one at least."""
IMAGES = 16
SLACK_SECONDS = 2e-4
"""By so much an image may be answered sooner the last time in this process: it is read from
memory the first time."""
RESULTS = "something remembers results, so no figure of it is kept"
RESPONSES = (
    "the server, or a proxy before it, remembers responses, so no figure of it is kept: switch its "
    "response cache off for this model (of Triton `response_cache`, of MLServer `cache_enabled`)"
)
Pairs: TypeAlias = Sequence[tuple[float, float]]
"""Seconds of the first and the last call on each of some images."""


@dataclass(frozen=True)
class Repeated:
    """Seconds of a call on an image that it never saw, and of the last one on the same: those that
    a quarter of the calls keep within, which other programs of the machine disturb least."""

    repeated_seconds: float
    new_seconds: float
    calls: int

    @property
    def speedup(self) -> float:
        return self.new_seconds / self.repeated_seconds


def repeated_image(
    name: str, ask: Callable[[Sequence[int]], list[float]], new: Sequence[int], call_seconds: float
) -> Repeated:
    """Whether a server remembers images: MLPerf's TEST04. `ask` returns the seconds of calls on
    samples, about `call_seconds` each; `new` ones were never sent. Raises WrongOutputs."""
    left = iter(new)

    def look(budget: float) -> Pairs:
        most = min(IMAGES, len(new) // len(LOOK_SECONDS))
        images = islice(left, max(1, min(most, int(budget / call_seconds / SENT))))
        seconds = ask([image for image in images for _ in range(SENT)])
        return list(zip(seconds[::SENT], seconds[SENT - 1 :: SENT], strict=True))

    return _judged(name, look)


def require_no_memory(
    name: str, deployment: Deployment, images: Images, batch: int, what: str = RESULTS
) -> Repeated:
    """As `repeated_image`, of a deployment of this process or of a server, which is called on
    batches that nobody sent, an earlier run neither. Raises WrongOutputs, which ends with `what`
    remembers and what to do."""
    clock, fresh = BusyClock(), _fresh(images, batch)

    def called(staged: Any) -> list[float]:
        return [clock.call(deployment, staged)[1] for _ in range(SENT)]

    def look(budget: float) -> Pairs:
        with deployment.active():
            first = called(deployment.stage(next(fresh)))
            more = min(IMAGES, int(budget / max(sum(first), 1e-6))) - 1
            others = [deployment.stage(next(fresh)) for _ in range(more)]
            return [(each[0], each[-1]) for each in (first, *map(called, others))]

    return _judged(name, look, batch * SLACK_SECONDS, what)


def _judged(
    name: str, look: Callable[[float], Pairs], slack_seconds: float = 0.0, what: str = RESULTS
) -> Repeated:
    """Looks for so many seconds, and again where the last calls are faster: each look must say
    so. So noise, a slow first call, and work that depends on the image pass."""
    found = Repeated(1.0, 1.0, 0)
    for budget in LOOK_SECONDS:
        first, last = zip(*look(budget), strict=True)
        found = Repeated(_quick(last), _quick(first), len(first))
        if found.new_seconds <= FASTER * found.repeated_seconds + slack_seconds:
            return found
    raise WrongOutputs(
        f"{name}: one image over and over is answered {found.speedup:.2f} times as fast as images "
        f"that it never saw ({1000 * found.repeated_seconds:.3g} ms against "
        f"{1000 * found.new_seconds:.3g} ms, at most {FASTER:g} times is allowed): {what}"
    )


def _fresh(images: Images, batch: int) -> Iterator[NDArray[np.float32]]:
    """Batches for ever, each moved further around the edge than the one before, and paler."""
    others, chance = unseen(images, batch, batch), np.random.default_rng()
    height, width = others.shape[-2:]
    start, step = int(chance.integers(height * width)), max(1, height * width // 48)
    for number in count():
        moved = np.roll(others, divmod(start + number * step, width), (-2, -1))
        yield moved * np.float32(chance.uniform(0.9, 1.0))


def _quick(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 25))
