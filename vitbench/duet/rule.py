"""What the blocks of a duet say of each case: SLOWER, FASTER, SAME or INCONCLUSIVE, and why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitbench.judge.verdict import Verdict
from vitbench.stats.sequential import Blocks, rejected

ALPHA = 0.01
"""One-sided, of all cases and looks together: how often unchanged code may be called SLOWER."""
ALPHA_SAME = 0.05
"""One-sided, of one case: how often a change as large as the tolerance may be called SAME."""
USUAL_SD = 0.026
"""Of a log ratio from block to block: docs/results.md, Noise of identical runs."""
TOO_WIDE = math.log(10.0)
"""An interval that reaches ten times up or down is left out of the sentence: it only confuses."""
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


@dataclass(frozen=True)
class Block:
    """One block of a case: seconds of base, head and the second base, each (rounds,), in turns."""

    base: Sequence[float]
    head: Sequence[float]
    null: Sequence[float]

    @property
    def rounds(self) -> NDArray[np.float64]:
        """Log of head over the geometric mean of both bases, (rounds,).

        Both bases run the same code, so their mean has half the variance of one: a quarter of the
        variance of the ratio goes, at no cost.
        """
        base, head, null = (np.log(np.asarray(s, float)) for s in (self.base, self.head, self.null))
        return np.asarray(head - (base + null) / 2)

    @property
    def change(self) -> float:
        """Median of `rounds`."""
        return float(np.median(self.rounds))

    @property
    def null_change(self) -> float:
        """Median log of the second base over the first: 0 but for noise."""
        return float(np.median(np.log(np.divide(self.null, self.base))))


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


def judge_blocks(cases: Mapping[str, Sequence[Block]], rule: Rule) -> dict[str, Verdict]:
    """The verdict of each case by `states_of`, from the blocks so far."""
    played = {name: blocks for name, blocks in cases.items() if blocks}
    changes = {name: Blocks.of([b.change for b in blocks]) for name, blocks in played.items()}
    nulls = {name: Blocks.of([b.null_change for b in blocks]) for name, blocks in played.items()}
    states = states_of(changes, nulls, rule)
    verdicts = {}
    for name, blocks in cases.items():
        if not blocks:
            why = "no block was finished"
            verdicts[name] = Verdict(name, "INCONCLUSIVE", why, figures={"blocks": 0})
            continue
        (state, bound), found, null = states[name], changes[name], nulls[name]
        limit = math.log1p(rule.limit(name))
        off, margin = null_arm_excess(null, limit), found.margin(rule.planned, ALPHA_SAME)
        needed = blocks_to_decide(found, off, limit, rule, len(played)) if bound is None else None
        known = math.isfinite(margin)
        says = _measured(blocks, found, null, margin)
        verdicts[name] = Verdict(
            case=name,
            state=state,
            sentence=says + _reason(state, rule, name, bound, off, needed),
            change=math.expm1(found.mean),
            low=math.expm1(found.mean - margin) if known else None,
            high=math.expm1(found.mean + margin) if known else None,
            figures={
                "blocks": found.count,
                "planned": rule.planned,
                "blocks_to_decide": needed if state == "INCONCLUSIVE" else None,
                "tolerance": rule.limit(name),
                "null_change": math.expm1(null.mean),
                "taken_off": math.expm1(off),
                "block_sd": found.sd,
                "base_median_seconds": _median([b.base for b in blocks]),
                "head_median_seconds": _median([b.head for b in blocks]),
            },
        )
    return verdicts


def decided(verdict: Verdict) -> bool:
    """Whether no further block is needed."""
    return verdict.state != "INCONCLUSIVE"


def _median(runs: Sequence[Sequence[float]]) -> float:
    """The median over runs of each run's median."""
    return float(np.median([np.median(run) for run in runs]))


def _measured(blocks: Sequence[Block], change: Blocks, null: Blocks, margin: float) -> str:
    """What was measured; `margin` is the half-width of the change's interval."""
    times = " to ".join(
        f"{_median(seconds) * 1e3:.4g} ms"
        for seconds in ([b.base for b in blocks], [b.head for b in blocks])
    )
    count = f"{change.count} block{'s' if change.count != 1 else ''}"
    says = f"head takes {_percent(change.mean)} ({times}; {count}"
    if margin < TOO_WIDE:
        says += f", 90 % [{_percent(change.mean - margin)}, {_percent(change.mean + margin)}]"
    return f"{says}; null arm {_percent(null.mean)})"


def _reason(
    state: str, rule: Rule, case: str, bound: float | None, off: float, needed: int | None
) -> str:
    """The verdict's reason, as the end of what was measured."""
    limit = rule.limit(case)
    if bound is not None:
        least = f", at least {_percent(bound)}"
        if off:
            least += f" after subtracting the null arm's {math.expm1(off):.1%}"
        if state == "FASTER":
            return least
        return (
            f"{least} at a false-alarm rate of {rule.alpha:.0%} for the whole suite; tolerance "
            f"{limit:.1%}"
        )
    if state == "SAME":
        return f", inside the tolerance of {limit:.1%}"
    if off:
        why = (
            ": the null arm, which compares base with itself, is outside the tolerance of "
            f"{limit:.1%}, and the blocks show no change beyond both"
        )
    else:
        why = f": the blocks show neither a change nor that it is within {limit:.1%}"
    if needed is None:
        return f"{why} (a quieter machine, more --minutes or a larger --tolerance)"
    options = "more --minutes" + (f" and --blocks-max={needed}" if needed > rule.planned else "")
    return f"{why}; about {needed} blocks would decide ({options})"


def _percent(log_ratio: float) -> str:
    return f"{math.expm1(log_ratio) * 100:+.1f} %"
