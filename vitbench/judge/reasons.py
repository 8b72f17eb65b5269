"""Why a candidate is chosen, and why each other one is not: sentences."""

from collections.abc import Sequence

from vitbench.judge.candidates import COST, NEEDS, Candidate
from vitbench.judge.change import run_factor
from vitbench.judge.load import LOAD
from vitbench.report.fields import LOWER, SECONDS


def why(best: Candidate, need: str, least: float, synthetic: bool) -> str:
    """Why the best is that, and what is not proven of it."""
    most = "least" if need == COST or NEEDS[need].better == LOWER else "most"
    words = f"{most} {need}: {figure(best, need)}"
    if need == LOAD and best.under_load:
        words = f"{most} {need}: {best.under_load.words}"
        words += f"; {best.under_load.to_prove}" if best.under_load.to_prove else ""
    elif best.under_load and best.by_load(need):
        words += f", within {best.under_load.bound_ms:g} ms as {best.under_load.arrangement}"
    if synthetic:
        return f"{words}; the weights are synthetic, so agreement is not claimed: verify with yours"
    if not best.proven and best.agreement is None:
        words += "; that its values are right is not proven yet: verify on more images (--images)"
    elif not best.proven:
        words += f"; agreement of {least:.0%} is not proven yet: verify on more images (--images)"
    return words


def why_not(
    each: Candidate,
    best: Candidate,
    need: str,
    behind: Sequence[Candidate],
    dominators: Sequence[Candidate],
) -> str:
    """Why another candidate is not the best. `behind`: those of the front than which it is surely
    better in nothing; `dominators`: those of them that are as good or better in everything."""
    words = f"{NEEDS[need].more}: {figure(each, need)} against {figure(best, need)}"
    if best.by_pairs(need):
        if None not in (each.low, each.high, best.low, best.high) and _overlap(each, best):
            words = f"this run cannot distinguish it from the best: {figure(each, need)}"
        elif each.paired == best.paired:
            words = f"equally {'fast' if need == 'latency' else 'cheap'}, {figure(each, need)}"
    elif each.figures[need] == best.figures[need]:
        latency = NEEDS["latency"].text(each.latency)
        words = f"no better: {figure(each, need)}"
        words += f", and {latency} ms a call" if each.latency else ""
    elif best.by_load(need) and each.cost(need) * run_factor() <= best.cost(need):
        words = (
            f"single runs vary by a factor of {run_factor():.2f}, so it may be the best: "
            f"{figure(each, need)} against {figure(best, need)}"
        )
    if not behind:
        return words
    # The candidate with the least of what is needed: a reader would take that one instead.
    better = min(dominators or behind, key=lambda other: other.cost(need))
    how = "dominated by" if dominators else "in nothing surely better than"
    return f"{words}; {how} {better.case.partition('/')[2]}"


def _overlap(one: Candidate, other: Candidate) -> bool:
    return bool(
        one.low is not None
        and one.high is not None
        and other.low is not None
        and other.high is not None
        and one.low <= other.high
        and other.low <= one.high
    )


def figure(candidate: Candidate, need: str) -> str:
    """The figure by which a candidate is chosen, with its unit."""
    field, value = NEEDS[need], candidate.figures[need]
    if need == LOAD and candidate.under_load:
        return candidate.under_load.short
    if need == COST:
        words = f"{value or 0.0:,.0f} {candidate.answers} for a unit of money"
        if candidate.under_load and candidate.by_load(need):
            words += f", {candidate.under_load.short}"
        return words
    words = f"{value:.2f}" if field.measure is not SECONDS or value is None else field.text(value)
    words += f" {field.unit}"
    if need == "latency" and candidate.speedup:
        words += f" ({candidate.speedup:.2f}x)"
    return words
