"""Queues: what theory says of waiting, a simulated queue, and what a run under load proves."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitbench.stats.intervals import CONFIDENCE, clopper_pearson

PERCENTILE = 0.99
"""The share of queries that must keep the bound, as in MLPerf's Server scenario."""
PROVING_CONFIDENCE = 0.99
"""MLPerf's confidence in that share."""
BATCHES = 10
MOST_QUERIES = 10**9

Seconds = NDArray[np.float64]


def md1_wait(load: float, service_seconds: float) -> float:
    """Mean seconds of waiting in M/D/1 at a `load` (arrivals x service) below 1.

    Source: Pollaczek and Khinchine; Kleinrock, Queueing Systems I (1975), section 5.6.
    """
    _require_load(load)
    return load * service_seconds / (2 * (1 - load))


def mdc_wait(servers: int, load: float, service_seconds: float) -> float:
    """Mean seconds of waiting in M/D/c, first come first served, at a `load` of each server.

    In units of the service: the sum over i >= 1 of P(N >= ic) - P(N > ic) / load, with N Poisson of
    mean i c load. Source: Crommelin, P.O. Electrical Engineers' Journal 25 (1932).
    """
    from scipy.special import gammainc

    _require_load(load)
    total, step = 0.0, 1
    while True:
        least, mean = step * servers, step * servers * load
        term = float(gammainc(least, mean) - gammainc(least + 1, mean) / load)
        total += term
        if abs(term) < 1e-12 * max(total, 1e-12) or step > 100_000:
            return total * service_seconds
        step += 1


def _require_load(load: float) -> None:
    if not 0 < load < 1:
        raise ValueError(f"a load of {load} has no mean wait: it must lie between 0 and 1")


def poisson_arrivals(rate: float, queries: int, seed: int) -> Seconds:
    """Seconds (queries,) at which queries arrive, `rate` a second."""
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, queries))


def simulated(
    arrivals: ArrayLike,
    services: Mapping[int, Sequence[float]],
    servers: int,
    window_seconds: float = 0.0,
    seed: int = 0,
) -> Seconds:
    """Seconds (queries,) from each arrival to its answer: one queue, first come first served.

    `services` are measured seconds of a call by the size of its batch; a call takes one of them by
    chance. There are no other sizes: a free server takes the largest that has arrived, as soon as
    the oldest query is `window_seconds` old, or as the largest of all has arrived.
    """
    times = np.asarray(arrivals, dtype=float)
    sizes = sorted(services, reverse=True)
    most = sizes[0]
    # Plain lists: a single element of an array costs five times as much.
    taken = {size: list(seconds) for size, seconds in services.items()}
    chances = np.random.default_rng(seed).random(len(times)).tolist()
    waiting, found = times.tolist(), np.empty(len(times))
    free = [0.0] * servers
    first = 0
    while first < len(waiting):
        full = first + most - 1
        ready = waiting[first] + window_seconds
        if full < len(waiting):
            ready = min(ready, waiting[full])
        begun = max(heapq.heappop(free), ready)
        last = first + 1
        while last < len(waiting) and last - first < most and waiting[last] <= begun:
            last += 1
        size = next(size for size in sizes if size <= last - first)
        draws = taken[size]
        done = begun + draws[int(chances[first] * len(draws))]
        heapq.heappush(free, done)
        last = first + size
        found[first:last] = done - times[first:last]
        first = last
    return found


def highest_rate(
    services: Mapping[int, Sequence[float]],
    servers: int,
    bound_seconds: float,
    window_seconds: float = 0.0,
    queries: int = 4000,
    seed: int = 0,
) -> float:
    """The highest rate of Poisson arrivals whose 99th percentile keeps the bound in `simulated`;
    0 where none does.

    All rates see the same arrivals, stretched, and the same services: bisection to 1 %.
    """
    unit = poisson_arrivals(1.0, queries, seed)
    fastest = max(n / float(np.mean(each)) for n, each in services.items())

    def keeps(rate: float) -> bool:
        found = simulated(unit / rate, services, servers, window_seconds, seed)
        return percentile(found) <= bound_seconds

    low, high = fastest * servers * 1e-3, fastest * servers
    if not keeps(low):
        return 0.0
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def percentile(values: ArrayLike, share: float = PERCENTILE) -> float:
    """The least value that `share` of them do not exceed (nearest rank, as LoadGen takes it)."""
    ordered = np.sort(np.asarray(values, dtype=float))
    return float(ordered[min(len(ordered), math.ceil(share * len(ordered))) - 1])


def queries_needed(
    late: int, share: float = PERCENTILE, confidence: float = PROVING_CONFIDENCE
) -> int:
    """How many queries a run must have, `late` of them late, to show that `share` are in time.

    The least n for which so few late ones have a probability of 1 - confidence at most, if exactly
    1 - share were late. It takes queries to be independent. Source: MLPerf Inference, early
    stopping criterion (policies of v1.1 and later).
    """
    from scipy.special import bdtr

    low, high = late, late + 1  # `low` is never enough
    while bdtr(late, high, 1 - share) > 1 - confidence and high < MOST_QUERIES:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if bdtr(late, middle, 1 - share) <= 1 - confidence else (middle, high)
        )
    return high


@dataclass(frozen=True)
class BatchMean:
    """A mean over neighbours that resemble each other: `margin` is half of its interval."""

    mean: float
    margin: float

    @property
    def low(self) -> float:
        return self.mean - self.margin

    @property
    def high(self) -> float:
        return self.mean + self.margin


def batch_mean(values: ArrayLike, batches: int = BATCHES, level: float = 0.975) -> BatchMean:
    """The mean of values (n,) in their order. Either end of its interval holds at `level`.

    Student's t over the means of batches of neighbours, of which there must be two values each.
    Source: Law and Kelton, Simulation Modeling and Analysis, batch means.
    """
    from scipy.special import stdtrit

    parts = np.array_split(np.asarray(values, dtype=float), batches)
    if min(map(len, parts)) < 2:
        raise ValueError(f"{batches} batches want at least {2 * batches} values")
    means = np.array([part.mean() for part in parts])
    error = float(means.std(ddof=1)) / math.sqrt(batches)
    return BatchMean(float(means.mean()), float(stdtrit(batches - 1, level)) * error)


def late_share_upper(late: ArrayLike, batches: int = BATCHES) -> float:
    """One-sided 95 % upper bound of the share of late queries, bool (n,) in the order they came.

    Queries in one queue are late together, so the bound is that of batch means, and at least that
    of independent queries (Clopper and Pearson), which batches without a late one would undercut.
    """
    flags = np.asarray(late, dtype=bool)
    independent = clopper_pearson(int(flags.sum()), len(flags))[1]
    return min(1.0, max(independent, batch_mean(flags, batches, CONFIDENCE).high))
