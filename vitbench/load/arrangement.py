"""How a machine's cores are shared out: instances, or streams of a runtime, x threads x batching
window."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vitbench.errors import UserError

AUTO = "auto"
BATCHES = (1, 2, 4, 8)
"""Sizes of the calls that a batching window makes: few, since some runtimes compile each."""
_TEXT = re.compile(r"([1-9]\d{0,3})(streams)?x([1-9]\d{0,3})(?:x(\d{1,4}(?:\.\d+)?))?")
_LEAST_STREAMS = 2  # one is an instance
_MOST_WINDOW_MS = 9999.0  # that the text has


@dataclass(frozen=True, order=True)
class Arrangement:
    """`instances` processes of `threads` threads, each pinned to as many cores of its own. A query
    waits at most `window_ms` for others that share its call; 0: each has a call of its own.

    With `streams` there is one instance, on the cores of all: it answers so many calls at a time,
    of `threads` threads each, among which its runtime shares out the cores. 0: no such streams.
    """

    instances: int
    threads: int
    window_ms: float = 0.0
    streams: int = 0

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        of_a_runtime = " streams" if self.streams else ""
        return f"{self.lanes}{of_a_runtime} x {threads}, window {self.window_ms:g} ms"

    @property
    def option(self) -> str:
        """As `--arrangement` takes it."""
        of_a_runtime = "streams" if self.streams else ""
        window = f"x{self.window_ms:g}" if self.window_ms else ""
        return f"{self.lanes}{of_a_runtime}x{self.threads}{window}"

    @property
    def lanes(self) -> int:
        """How many calls are answered at a time: by the instances, or the streams of the one."""
        return self.streams or self.instances

    @property
    def cores(self) -> int:
        return self.lanes * self.threads

    @property
    def window_seconds(self) -> float:
        return self.window_ms / 1000

    @property
    def batches(self) -> tuple[int, ...]:
        """The sizes that its calls may have."""
        return BATCHES if self.window_ms else BATCHES[:1]

    def pins(self, cores: Sequence[int]) -> list[tuple[int, ...]]:
        """The cores of each instance, the first of `cores` first. Raises UserError where there are
        too few."""
        if self.cores > len(cores):
            what = "streams" if self.streams else "instances"
            raise UserError(
                f"--arrangement={self.option}: {self.lanes} {what} of {self.threads} threads "
                f"need {self.cores} cores, and this process may use {len(cores)}: name fewer"
            )
        step = self.cores // self.instances
        return [tuple(cores[n * step : (n + 1) * step]) for n in range(self.instances)]

    def require_window(self, bound_ms: float) -> None:
        """Raises UserError where a query may wait for others as long as it may take. A bound that
        is not above 0 is an option's matter."""
        if self.window_ms >= bound_ms > 0:
            raise UserError(
                f"--arrangement={self.option}: a window of {self.window_ms:g} ms leaves nothing of "
                f"the latency bound of {bound_ms:g} ms: name a shorter window, or a longer "
                "--latency-bound"
            )


def parse(text: str, expected: str = "") -> Arrangement:
    """Of `IxT`, `IxTxW`, `NstreamsxT` or `NstreamsxTxW`. Raises UserError for another text, where
    `expected` says what else is taken."""
    match = _TEXT.fullmatch(text.strip())
    if match is None or (match[2] and int(match[1]) < _LEAST_STREAMS):
        raise UserError(
            f"--arrangement={text}: expected {expected}instances x threads x window in "
            "milliseconds such as 2x1 or 2x1x5, or a runtime's streams x threads such as 2streamsx1"
        )
    lanes, threads, window_ms = int(match[1]), int(match[3]), float(match[4] or 0)
    if match[2]:
        return Arrangement(1, threads, window_ms, lanes)
    return Arrangement(lanes, threads, window_ms)


def own_cores() -> tuple[int, ...]:
    """The cores that this process may use, as the kernel numbers them, as many as its cgroup
    grants."""
    from vitbench.environment import available_cores

    if not hasattr(os, "sched_getaffinity"):
        return tuple(range(available_cores()))
    return tuple(sorted(os.sched_getaffinity(0)))[: available_cores()]


def fitting(cores: int, bound_ms: float, streams: bool = False) -> list[Arrangement]:
    """What `auto` tries on so many cores: for 1, 2, 4, ... threads and all of them, as many
    instances as fit, and as many as fit when one core is left to the generator; each without a
    window and with one of a quarter of the bound, to a tenth of a millisecond. Where the runtime
    has `streams`: for as many threads, as many as fit, if more than one does, without a window."""
    threads = {2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}
    shares = {(count // each, each) for each in threads for count in (cores, cores - 1)}
    windows = {0.0, min(_MOST_WINDOW_MS, round(bound_ms / 4, 1))}
    found = [Arrangement(*share, window) for share in shares if share[0] for window in windows]
    if streams:
        found += [
            Arrangement(1, each, 0.0, cores // each)
            for each in threads
            if cores // each >= _LEAST_STREAMS
        ]
    return sorted(found)


def wanted(
    text: str, cores: Sequence[int], bound_ms: float, streams: bool = False
) -> list[Arrangement]:
    """The arrangements that an option names; `streams`: of a runtime that has them. Raises
    UserError as `parse` and `pins`."""
    if text == AUTO:
        return fitting(len(cores), bound_ms, streams)
    found = parse(text, f"{AUTO}, or ")
    found.pins(cores)
    return [found]
