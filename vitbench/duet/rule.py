"""What the blocks of a duet say of each case: SLOWER, FASTER, SAME or INCONCLUSIVE, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vitbench.stats.sequential import Blocks, rejected

ALPHA = 0.01
"""One-sided, of all cases and looks together: how often unchanged code may be called SLOWER."""
ALPHA_SAME = 0.05
"""One-sided, of one case: how often a change as large as the tolerance may be called SAME."""
USUAL_SD = 0.026
"""Of a log ratio from block to block: docs/results.md, Noise of identical runs."""


MOST_BLOCKS = 100
"""Nobody plays more: beyond them another machine or another tolerance is the better advice."""


@dataclass(frozen=True)
class Rule:
    """`tolerance`: the relative change that matters (0.03), of all or, in `own`, of single cases.

    `planned`: the most blocks that are looked at.
    """

    tolerance: float = 0.03
    planned: int = 20
    alpha: float = ALPHA
    own: Mapping[str, float] = field(default_factory=dict)

    def limit(self, case: str) -> float:
        return self.own.get(case, self.tolerance)


def null_arm_excess(null: Blocks, limit: float) -> float:
    """What the null arm casts doubt on: its change in absolute value where that exceeds `limit`,
    else 0. All are log ratios."""
    return abs(null.mean) if abs(null.mean) > limit else 0.0


def states_of(
    changes: Mapping[str, Blocks], nulls: Mapping[str, Blocks], rule: Rule
) -> dict[str, tuple[str, float | None]]:
    """State of each case, and the bound of its change that a SLOWER or FASTER rests on.

    Both mappings hold log ratios over blocks: of head, and of the null arm. Where the
    null arm itself is beyond the tolerance, its change (`null_arm_excess`) is taken off the change
    of head and off its bound. SLOWER needs both: over all
    cases and looks together what is left of the lower bound is above 0 at one-sided `alpha`
    (`sequential.rejected`), and what is left of the estimate exceeds the tolerance. FASTER is its
    mirror image. SAME: no doubt, and both one-sided tests inside the tolerance, at 5 % over all
    looks (Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987). Else INCONCLUSIVE.
    Doubt only lowers bounds: what is rejected with it is rejected without it, so `alpha` holds.
    """
    limits = {name: math.log1p(rule.limit(name)) for name in changes}
    doubts = {name: null_arm_excess(nulls[name], limit) for name, limit in limits.items()}
    mirrored = {name: Blocks(b.count, -b.mean, b.standard_error) for name, b in changes.items()}
    slower = rejected(changes, rule.planned, rule.alpha, doubts)
    faster = rejected(mirrored, rule.planned, rule.alpha, doubts)
    states: dict[str, tuple[str, float | None]] = {}
    for name, found in changes.items():
        limit, off = limits[name], doubts[name]
        if name in slower and found.mean - off > limit:
            states[name] = "SLOWER", slower[name]
        elif name in faster and -found.mean - off > limit:
            states[name] = "FASTER", -faster[name]
        elif not off and abs(found.mean) + found.margin(rule.planned, ALPHA_SAME) < limit:
            states[name] = "SAME", None
        else:
            states[name] = "INCONCLUSIVE", None
    return states


def blocks_to_decide(
    change: Blocks, off: float, limit: float, rule: Rule, cases: int
) -> int | None:
    """About how many blocks decide one of `cases`, if its change and its spread stay as they are.

    The change against the strictest level of Holm's procedure; a spread that one block cannot show
    is taken to be the usual one. None where `MOST_BLOCKS` do not.
    """
    size = abs(change.mean)
    for count in range(change.count + 1, MOST_BLOCKS + 1):
        sd = USUAL_SD if change.sd is None else change.sd
        then = Blocks(count, size, sd / math.sqrt(count))
        sure = size - off - then.margin(rule.planned, rule.alpha / cases) > 0
        same = not off and size + then.margin(rule.planned, ALPHA_SAME) < limit
        if (sure and size - off > limit) or same:
            return count
    return None
