"""The verdict of each case from its blocks, with a sentence: what was measured, and why."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from vitbench.duet.block import Block
from vitbench.duet.rule import ALPHA_SAME, Rule, blocks_to_decide, null_arm_excess, states_of
from vitbench.judge.verdict import Verdict
from vitbench.stats.sequential import Blocks

TOO_WIDE = math.log(10.0)
"""An interval that reaches ten times up or down is left out of the sentence: it only confuses."""


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
