"""What an A/A run records: the blocks of each case, by the slowdown that was planted into head.

A recording is JSON: `{"planted": {SHARE: {CASE: [block, ...]}}}`. A block has its seconds by arm
(`duet.block.Block`); SHARE is the planted slowdown, "0" for none. Blocks with one index were played
together, so that what disturbed one case disturbed its neighbours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.duet.block import Block

NOTHING_PLANTED = "0"

Recorded = Mapping[str, Sequence[Block]]
Logs = NDArray[np.float64]
"""(cases, blocks, 2): the change of head and of the null arm, log ratios."""


def read_blocks(recording: Mapping[str, Any], share: str) -> dict[str, list[Block]]:
    """The blocks of each case with so much planted."""
    cases = recording["planted"].get(share, {})
    return {case: [Block(**block) for block in blocks] for case, blocks in cases.items()}


def logs_of(recorded: Recorded) -> Logs:
    """Both log ratios of every block, cut to the blocks that all cases have."""
    length = min(len(blocks) for blocks in recorded.values())
    return np.array(
        [[(b.change, b.null_change) for b in blocks[:length]] for blocks in recorded.values()]
    )
