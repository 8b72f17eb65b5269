"""On which side of a bound a log ratio lies, looked at after every block."""

from vitbench.stats.sequential import Blocks


def side_of(found: Blocks, bound: float, off: float, planned: int, level: float) -> int:
    """-1: below the `bound`, 1: above it, 0: the blocks do not show it yet.

    `off` is taken off, at least 0, for what a null arm casts doubt on. Whichever side the log ratio
    lies on, the other one is named with probability `level` at most over all `planned` looks: the
    repeated confidence interval of `Blocks.margin` is one-sided on either side.
    """
    margin = found.margin(planned, level) + off
    if found.mean - margin > bound:
        return 1
    if found.mean + margin < bound:
        return -1
    return 0
