"""One queue in front of several lanes: whoever is free takes what came first."""

import math
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import WorkerFailed
from vitbench.load.instance import Lane

LOOK_SECONDS = 1.0  # between two looks at who is silent

Complete = Callable[[Sequence[int]], None]
"""Is told the ids of the queries that were answered."""


@dataclass
class Served:
    """What was served: of each call its lane, its size, the seconds that the lane was
    occupied, and those that it needed by its own clock; of the queries that were drawn, sample and
    output."""

    lane: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    occupied: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    outputs: list[NDArray[np.float32]] = field(default_factory=list)


class Dispatcher:
    """Hands queries to idle lanes, first come first served, until `close`.

    A query waits at most `window_seconds` for others; a call takes the largest of the sizes
    `batches` that is there.
    `drawn` says of each query, in the order of the answers, whether its output is kept. A thread of
    its own takes the answers. Where a lane fails, answers in another shape, or answers nothing for
    `patience_seconds`, `failure` is the reason, `failed` is called, and nothing is answered any
    more.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        window_seconds: float,
        batches: Sequence[int],
        complete: Complete,
        drawn: Iterator[bool],
        failed: Callable[[], None],
        patience_seconds: float = math.inf,
    ) -> None:
        self.served = Served()
        self.failure: Exception | None = None
        self._lanes, self._window = lanes, window_seconds
        self._batches = sorted(batches, reverse=True)
        self._complete, self._drawn, self._failed = complete, drawn, failed
        self._patience = patience_seconds
        self._waiting: deque[tuple[int, int, float]] = deque()
        self._columns = 0  # of the first answer: all have as many
        self._idle = deque(range(len(lanes)))
        self._busy: dict[int, tuple[list[int], list[int], float]] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        for number, lane in enumerate(lanes):
            self._selector.register(lane.socket, selectors.EVENT_READ, number)
        self._open = True
        self._thread = threading.Thread(target=self._take_answers, daemon=True)
        self._thread.start()

    def issue(self, queries: Sequence[tuple[int, int]]) -> None:
        """Queries that arrive now: id and sample of each."""
        now = perf_counter()
        with self._lock:
            self._waiting.extend((each, sample, now) for each, sample in queries)
            self._dispatch(now)
            waits = bool(self._idle and self._waiting)
        if waits:  # a window is open: the thread must know when it ends
            os.write(self._wake_write, b"x")

    def close(self) -> Served:
        """Stop, with no query on its way. Returns what was served."""
        self._open = False
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        return self.served

    def _dispatch(self, now: float) -> None:
        """Hand out what may go; the lock is held."""
        while self._idle and self._waiting:
            there = len(self._waiting)
            if there < self._batches[0] and now < self._waiting[0][2] + self._window:
                return
            size = next(each for each in self._batches if each <= there)
            taken = [self._waiting.popleft() for _ in range(size)]
            ids, samples = [each[0] for each in taken], [each[1] for each in taken]
            number = self._idle.popleft()
            self._busy[number] = ids, samples, perf_counter()
            self._lanes[number].send(samples)

    def _pause(self) -> float:
        """Seconds until the oldest query must go, or until somebody looks at who is silent. Raises
        WorkerFailed where a lane is silent for too long."""
        now = perf_counter()
        with self._lock:
            for number, (_, _, begun) in self._busy.items():
                if now - begun > self._patience:
                    raise self._lanes[number].silent(self._patience)
            if self._idle and self._waiting:
                return max(0.0, self._waiting[0][2] + self._window - now)
        return LOOK_SECONDS

    def _take_answers(self) -> None:
        try:
            while self._open:
                events = self._selector.select(self._pause())
                for key, _ in events:
                    if key.data is None:
                        os.read(self._wake_read, 4096)
                    else:
                        self._answered(key.data)
                with self._lock:
                    self._dispatch(perf_counter())
        except Exception as error:
            self.failure = error
            self._failed()

    def _answered(self, number: int) -> None:
        lane = self._lanes[number]
        with self._lock:
            asked = self._busy.get(number)
        if asked is None:
            lane.take()  # it died, or says why it fails
            raise WorkerFailed(f"{lane.name} answered what nobody asked")
        message = lane.answer(len(asked[0]), self._columns)
        now = perf_counter()
        self._columns = message.body.shape[1]
        with self._lock:
            ids, samples, begun = self._busy.pop(number)
            self._idle.append(number)
            self._dispatch(now)  # the lane goes on while LoadGen is told
        self._complete(ids)
        found = self.served
        found.lane.append(number)
        found.size.append(len(ids))
        found.occupied.append(now - begun)
        found.own.append(message.seconds)
        for row, sample in enumerate(samples):
            if next(self._drawn):
                found.samples.append(sample)
                found.outputs.append(message.body[row])
