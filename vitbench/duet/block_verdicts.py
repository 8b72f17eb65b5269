"""The verdict of each case from its blocks, with a sentence: what was measured, and why."""

import math
from collections.abc import Mapping, Sequence
from statistics import geometric_mean

from vitbench.duet.block import Block
from vitbench.duet.rule import ALPHA_SAME, Rule, blocks_to_decide, null_arm_excess, states_of
from vitbench.errors import counted
from vitbench.judge.verdict import Verdict
from vitbench.stats.sequential import Blocks, cut_off

TOO_WIDE = math.log(10.0)
"""An interval that reaches ten times up or down is left out of the sentence: it only confuses."""


def judge_blocks(cases: Mapping[str, Sequence[Block]], rule: Rule) -> dict[str, Verdict]:
    """The verdict of each case by `states_of`, from the blocks so far.

    Of the figures, `base_median_seconds` is over both base arms and `head_median_seconds` of head,
    as `_seconds` has them: their ratio is about 1 + `change`.
    """
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
        base, head = _seconds(blocks)
        says = _measured(base, head, found, null, margin)
        verdicts[name] = Verdict(
            case=name,
            state=state,
            sentence=says + _reason(state, rule, name, bound, off, found, null, needed),
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
                "base_median_seconds": base,
                "head_median_seconds": head,
            },
        )
    return verdicts


def decided(verdict: Verdict) -> bool:
    """Whether no further block is needed."""
    return verdict.state != "INCONCLUSIVE"


def _seconds(blocks: Sequence[Block]) -> tuple[float, float]:
    """Of base, over both its arms, and of head: geometric means of the medians of the blocks that
    the change rests on, which are those that `Blocks.of` does not cut off."""
    cut = cut_off(len(blocks))
    kept = sorted(blocks, key=lambda block: block.change)[cut : len(blocks) - cut]
    base, head = zip(*(block.medians for block in kept), strict=True)
    return geometric_mean(base), geometric_mean(head)


def _measured(base: float, head: float, change: Blocks, null: Blocks, margin: float) -> str:
    """What was measured: seconds of both base arms and of head; `margin` is the half-width of the
    change's interval."""
    count = counted(change.count, "block")
    times = f"both base arms {base * 1e3:.4g} ms, head {head * 1e3:.4g} ms"
    says = f"head takes {_percent(change.mean)} ({times}; {count}"
    if margin < TOO_WIDE:
        says += f", 90 % [{_percent(change.mean - margin)}, {_percent(change.mean + margin)}]"
    return f"{says}; null arm {_percent(null.mean)})"


def _reason(
    state: str,
    rule: Rule,
    case: str,
    bound: float | None,
    off: float,
    change: Blocks,
    null: Blocks,
    needed: int | None,
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
    why = _undecided(rule, limit, off, change, null)
    if needed is None:
        return f"{why} (a quieter machine, more --minutes or a larger --tolerance)"
    options = "more --minutes" + (f" and --blocks-max={needed}" if needed > rule.planned else "")
    return f"{why}; about {needed} blocks would decide ({options})"


def _undecided(rule: Rule, limit: float, off: float, change: Blocks, null: Blocks) -> str:
    """Why blocks decide nothing. The interval that is printed is of this case alone; SLOWER and
    FASTER need the stricter bound of all cases."""
    noisy = f"base differs from itself by {abs(math.expm1(null.mean)) * 100:.1f} %"
    beyond = abs(change.mean) - change.margin(rule.planned, ALPHA_SAME) - off
    if beyond > math.log1p(limit):
        state = "SLOWER" if change.mean > 0 else "FASTER"
        noise = f" although {noisy}," if off else ""
        return (
            f": the interval of this case lies outside the tolerance of {limit:.1%},{noise} but "
            f"{state} at an error rate of {rule.alpha:.0%} for the whole suite needs more blocks"
        )
    if off:
        return (
            f": this machine is too noisy just now: {noisy}, which is more than the tolerance of "
            f"{limit:.1%}, and it is not sure that the change of head is larger still"
        )
    return f": the blocks show neither a change nor that it is within {limit:.1%}"


def _percent(log_ratio: float) -> str:
    return f"{math.expm1(log_ratio) * 100:+.1f} %"
