"""What the blocks of a duet say of each case: SLOWER, FASTER, SAME or INCONCLUSIVE, and why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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


def decide(
    changes: Mapping[str, Blocks], nulls: Mapping[str, Blocks], rule: Rule
) -> dict[str, tuple[str, float | None]]:
    """State of each case, and the bound of its change that a SLOWER or FASTER rests on.

    Both mappings hold log ratios over blocks: of head, and of the null arm. SLOWER needs both:
    over all cases and looks together the lower bound of the change is above 0 at one-sided
    `alpha` (`sequential.rejected`), and the estimate exceeds the tolerance. FASTER is its mirror
    image. SAME: both one-sided tests inside the tolerance, at 5 % over all looks (Schuirmann, J.
    Pharmacokinetics and Biopharmaceutics 15, 1987). A null arm outside the tolerance leaves the
    case INCONCLUSIVE, and so does anything else.
    """
    mirrored = {name: Blocks(b.count, -b.mean, b.standard_error) for name, b in changes.items()}
    slower = rejected(changes, rule.planned, rule.alpha)
    faster = rejected(mirrored, rule.planned, rule.alpha)
    states: dict[str, tuple[str, float | None]] = {}
    for name, found in changes.items():
        limit = math.log1p(rule.limit(name))
        if abs(nulls[name].mean) > limit:
            states[name] = "INCONCLUSIVE", None
        elif name in slower and found.mean > limit:
            states[name] = "SLOWER", slower[name]
        elif name in faster and -found.mean > limit:
            states[name] = "FASTER", -faster[name]
        elif abs(found.mean) + found.margin(rule.planned, ALPHA_SAME) < limit:
            states[name] = "SAME", None
        else:
            states[name] = "INCONCLUSIVE", None
    return states


def judge(cases: Mapping[str, Sequence[Block]], rule: Rule) -> dict[str, Verdict]:
    """The verdict of each case by `decide`, from the blocks so far."""
    played = {name: blocks for name, blocks in cases.items() if blocks}
    changes = {name: Blocks.of([b.change for b in blocks]) for name, blocks in played.items()}
    nulls = {name: Blocks.of([b.null_change for b in blocks]) for name, blocks in played.items()}
    states = decide(changes, nulls, rule)
    verdicts = {}
    for name, blocks in cases.items():
        if not blocks:
            why = "no block was finished"
            verdicts[name] = Verdict(name, "INCONCLUSIVE", why)
            continue
        (state, bound), found, null = states[name], changes[name], nulls[name]
        margin = found.margin(rule.planned, ALPHA_SAME)
        known = math.isfinite(margin)
        verdicts[name] = Verdict(
            case=name,
            state=state,
            sentence=_sentence(
                state, rule.limit(name), blocks, (found, null, margin), bound, rule.alpha
            ),
            change=math.expm1(found.mean),
            low=math.expm1(found.mean - margin) if known else None,
            high=math.expm1(found.mean + margin) if known else None,
            figures={
                "blocks": found.count,
                "planned": rule.planned,
                "tolerance": rule.limit(name),
                "null_change": math.expm1(null.mean),
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


def _sentence(
    state: str,
    limit: float,
    blocks: Sequence[Block],
    found: tuple[Blocks, Blocks, float],
    bound: float | None,
    alpha: float,
) -> str:
    """Why: `found` is the change, the null arm's, and the half-width of the change's interval."""
    change, null, margin = found
    times = " to ".join(
        f"{_median(seconds) * 1e3:.4g} ms"
        for seconds in ([b.base for b in blocks], [b.head for b in blocks])
    )
    count = f"{change.count} block{'s' if change.count != 1 else ''}"
    says = f"head takes {_percent(change.mean)} ({times}; {count}"
    if math.isfinite(margin):
        says += f", 90 % [{_percent(change.mean - margin)}, {_percent(change.mean + margin)}]"
    says += f"; null arm {_percent(null.mean)})"
    if state == "SLOWER" and bound is not None:
        return (
            f"{says}, at least {_percent(bound)} at a false-alarm rate of {alpha:.0%} for the "
            f"whole suite; tolerance {limit:.1%}"
        )
    if state == "FASTER" and bound is not None:
        return f"{says}, at least {_percent(bound)}"
    if state == "SAME":
        return f"{says}, inside the tolerance of {limit:.1%}"
    if abs(null.mean) > math.log1p(limit):
        return (
            f"{says}: the null arm, which compares base with itself, is outside the tolerance of "
            f"{limit:.1%}"
        )
    return (
        f"{says}: neither a change nor its absence within {limit:.1%} is shown "
        "(a quieter machine, more --minutes or a larger --tolerance)"
    )


def _percent(log_ratio: float) -> str:
    return f"{math.expm1(log_ratio) * 100:+.1f} %"
