"""How a machine's cores are shared out: instances x threads x batching window."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vitbench.errors import UserError

AUTO = "auto"
BATCHES = (1, 2, 4, 8)
"""Sizes of the calls that a batching window makes: few, since some runtimes compile each."""
_TEXT = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})(?:x(\d{1,4}(?:\.\d+)?))?")


@dataclass(frozen=True, order=True)
class Arrangement:
    """`instances` processes of `threads` threads, each pinned to as many cores of its own. A query
    waits at most `window_ms` for others that share its call; 0: each has a call of its own."""

    instances: int
    threads: int
    window_ms: float = 0.0

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.instances} x {threads}, window {self.window_ms:g} ms"

    @property
    def option(self) -> str:
        """As `--arrangement` takes it."""
        window = f"x{self.window_ms:g}" if self.window_ms else ""
        return f"{self.instances}x{self.threads}{window}"

    @property
    def cores(self) -> int:
        return self.instances * self.threads

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
            raise UserError(
                f"--arrangement={self.option}: {self.instances} instances of {self.threads} "
                f"threads need {self.cores} cores, and this process may use {len(cores)}: name "
                "fewer, or --arrangement=auto"
            )
        step = self.threads
        return [tuple(cores[n * step : (n + 1) * step]) for n in range(self.instances)]


def parse(text: str) -> Arrangement:
    """Of `IxT` or `IxTxW`. Raises UserError for another text."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise UserError(
            f"--arrangement={text}: expected auto, or instances x threads x window in milliseconds "
            "such as 2x1 or 2x1x5"
        )
    return Arrangement(int(match[1]), int(match[2]), float(match[3] or 0))


def own_cores() -> tuple[int, ...]:
    """The cores that this process may use, as the kernel numbers them, as many as its cgroup
    grants."""
    from vitbench.environment import available_cores

    if not hasattr(os, "sched_getaffinity"):
        return tuple(range(available_cores()))
    return tuple(sorted(os.sched_getaffinity(0)))[: available_cores()]


def fitting(cores: int, bound_ms: float) -> list[Arrangement]:
    """What `auto` tries on so many cores: for 1, 2, 4, ... threads and all of them, as many
    instances as fit, and as many as fit when one core is left to the generator; each without a
    window and with one of a quarter of the bound."""
    threads = {2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}
    shares = {(count // each, each) for each in threads for count in (cores, cores - 1)}
    windows = (0.0, round(bound_ms / 4, 1))
    return sorted(Arrangement(*share, window) for share in shares if share[0] for window in windows)


def wanted(text: str, cores: Sequence[int], bound_ms: float) -> list[Arrangement]:
    """The arrangements that an option names. Raises UserError as `parse` and `pins`."""
    if text == AUTO:
        return fitting(len(cores), bound_ms)
    found = parse(text)
    found.pins(cores)
    return [found]
