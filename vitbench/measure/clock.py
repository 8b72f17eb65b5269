"""A clock that runs only while the deployment itself is busy."""

import time
from collections.abc import Callable
from typing import Any

from vitbench.runtimes.base import Deployment


class BusyClock:
    """Seconds that deployments were busy, as a timer for pytest-benchmark.

    Calling the clock returns the seconds accumulated so far, so the difference of two readings is
    the busy time between them, whatever else (staging, a reference's turn) happened meanwhile.
    `now` is the underlying clock in seconds; tests give a fake one.
    """

    # pytest-benchmark stores a timer by its name; an instance would put its address there.
    __name__ = "vitbench.BusyClock"

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._busy = 0.0

    def __call__(self) -> float:
        return self._busy

    def call(self, deployment: Deployment, staged: Any) -> tuple[Any, float]:
        """Call the deployment once. Returns its output and the seconds it took.

        Counted: the call, and the device's synchronisation after it. The device is drained before,
        so that no earlier work is counted. Event time alone would omit the host's work before the
        first kernel launch.
        """
        deployment.synchronize()
        start = self._now()
        output = deployment(staged)
        deployment.synchronize()
        seconds = self._now() - start
        self._busy += seconds
        return output, seconds

    def time(self, work: Callable[[], Any]) -> float:
        """Seconds that anything else takes; they do not count as busy."""
        start = self._now()
        work()
        return self._now() - start

    def charge(self, seconds: float) -> None:
        """Count seconds that another process's own clock measured."""
        self._busy += seconds
