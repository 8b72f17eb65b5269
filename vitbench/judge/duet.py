"""What the blocks of a duet say of each case: SLOWER, FASTER, SAME or INCONCLUSIVE, and why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vitbench.judge.sequential import Blocks, rejected
from vitbench.judge.verdict import Verdict

ALPHA = 0.01
"""One-sided, of all cases and looks together: how often unchanged code may be called SLOWER."""
ALPHA_SAME = 0.05
"""One-sided, of one case: how often a change as large as the tolerance may be called SAME."""


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
    def change(self) -> float:
        """Median log of head over the geometric mean of both bases.

        Both bases run the same code, so their mean has half the variance of one: a quarter of the
        variance of the ratio goes, at no cost.
        """
        base, head, null = (np.log(np.asarray(s, float)) for s in (self.base, self.head, self.null))
        return float(np.median(head - (base + null) / 2))

    @property
    def null_change(self) -> float:
        """Median log of the second base over the first: 0 but for noise."""
        return float(np.median(np.log(np.divide(self.null, self.base))))


def judge(cases: Mapping[str, Sequence[Block]], rule: Rule) -> dict[str, Verdict]:
    """A verdict for each case that has a block, from the blocks so far.

    SLOWER needs both: over all cases and looks together the lower bound of the change is above 0
    at one-sided `alpha` (`sequential.rejected`), and the estimate exceeds the tolerance. FASTER is
    its mirror image. SAME: both one-sided tests inside the tolerance, at 5 % over all looks. A null
    arm outside the tolerance leaves the case INCONCLUSIVE, and so does anything else.
    """
    changes = {name: Blocks.of([b.change for b in blocks]) for name, blocks in cases.items()}
    nulls = {name: Blocks.of([b.null_change for b in blocks]) for name, blocks in cases.items()}
    mirrored = {name: Blocks(b.count, -b.mean, b.standard_error) for name, b in changes.items()}
    slower = rejected(changes, rule.planned, rule.alpha)
    faster = rejected(mirrored, rule.planned, rule.alpha)
    verdicts = {}
    for name, blocks in cases.items():
        if not blocks:
            verdicts[name] = Verdict(
                name, "INCONCLUSIVE", f"{name}: no block was finished: INCONCLUSIVE"
            )
            continue
        found, limit = changes[name], math.log1p(rule.limit(name))
        margin = found.margin(rule.planned, ALPHA_SAME)
        if abs(nulls[name].mean) > limit:
            state = "INCONCLUSIVE"
        elif name in slower and found.mean > limit:
            state = "SLOWER"
        elif name in faster and -found.mean > limit:
            state = "FASTER"
        elif abs(found.mean) + margin < limit:
            state = "SAME"
        else:
            state = "INCONCLUSIVE"
        bound = slower.get(name) if state == "SLOWER" else faster.get(name)
        verdicts[name] = Verdict(
            case=name,
            state=state,
            sentence=_sentence(name, state, blocks, (found, nulls[name]), bound, rule),
            change=math.expm1(found.mean),
            low=math.expm1(found.mean - margin) if math.isfinite(margin) else None,
            high=math.expm1(found.mean + margin) if math.isfinite(margin) else None,
            figures={
                "blocks": found.count,
                "planned": rule.planned,
                "tolerance": rule.limit(name),
                "null_change": math.expm1(nulls[name].mean),
                "block_sd": found.standard_error * math.sqrt(found.count)
                if found.count > 1
                else None,
                "base_median_seconds": _median([b.base for b in blocks]),
                "head_median_seconds": _median([b.head for b in blocks]),
            },
        )
    return verdicts


def decided(verdict: Verdict) -> bool:
    return verdict.state != "INCONCLUSIVE"


def _median(runs: Sequence[Sequence[float]]) -> float:
    """The median over runs of each run's median."""
    return float(np.median([np.median(run) for run in runs]))


def _sentence(
    name: str,
    state: str,
    blocks: Sequence[Block],
    found: tuple[Blocks, Blocks],
    bound: float | None,
    rule: Rule,
) -> str:
    change, null = found
    limit, margin = rule.limit(name), change.margin(rule.planned, ALPHA_SAME)
    times = " to ".join(
        f"{_median(seconds) * 1e3:.4g} ms"
        for seconds in ([b.base for b in blocks], [b.head for b in blocks])
    )
    count = f"{change.count} block{'s' if change.count != 1 else ''}"
    says = f"{name}: head takes {_percent(change.mean)} ({times}; {count}"
    if math.isfinite(margin):
        says += f", 90 % [{_percent(change.mean - margin)}, {_percent(change.mean + margin)}]"
    says += f"; null arm {_percent(null.mean)})"
    if state == "SLOWER" and bound is not None:
        return (
            f"{says}, at least {_percent(bound)} at a false-alarm rate of {rule.alpha:.0%} for the "
            f"whole suite; tolerance {limit:.1%}: SLOWER"
        )
    if state == "FASTER" and bound is not None:
        return f"{says}, at least {_percent(-bound)}: FASTER"
    if state == "SAME":
        return f"{says}, inside the tolerance of {limit:.1%}: SAME"
    if abs(null.mean) > math.log1p(limit):
        return (
            f"{says}: the null arm, which compares base with itself, is outside the tolerance of "
            f"{limit:.1%}: INCONCLUSIVE"
        )
    return (
        f"{says}: neither a change nor its absence within {limit:.1%} is shown: INCONCLUSIVE "
        "(a quieter machine, more --minutes or a larger --tolerance)"
    )


def _percent(log_ratio: float) -> str:
    return f"{math.expm1(log_ratio) * 100:+.1f} %"
