"""Whether a report keeps a project's promises: KEPT, BROKEN or UNPROVEN, with a sentence each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vitbench.errors import UserError
from vitbench.judge.change import BETWEEN, BETWEEN_RUNS, CERTAIN, Change, paired_timing
from vitbench.judge.contracts import percent, round_down
from vitbench.judge.promises import Promise
from vitbench.judge.report import Row, rows
from vitbench.judge.sound import left_out
from vitbench.judge.stats import CONFIDENCE
from vitbench.metrics import METRIC

FIGURES = {"size": "size", "peak_memory": "memory", "first_inference": "first"}
"""Which metric of a row is held against a promise."""


@dataclass(frozen=True)
class Kept:
    """One promise held against one case, whose id `case` begins with. `state` is KEPT, BROKEN or
    UNPROVEN."""

    case: str
    state: str
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge_promises(
    promises: Sequence[Promise],
    report: Mapping[str, Any],
    between: float = BETWEEN,
    whole: bool = True,
) -> list[Kept]:
    """Every promise for every case that its glob matches, in the order of the promises.

    `whole`: raise UserError for a glob that matches no case of the run, failed and unavailable
    ones among them; pass False where a run was selected.
    """
    found = {row.case.id: row for row in rows(report)}
    run = report.get("vitbench", {})
    failed, unavailable = run.get("failed", {}), run.get("unavailable", {})
    unsound = {each.name: each.why for each in left_out(report) if each.group}
    cases = dict.fromkeys([*found, *failed, *unavailable, *unsound])
    told = []
    for promise in promises:
        matched = [case for case in cases if promise.holds_for(case)]
        if not matched and whole:
            raise UserError(
                f"{promise.place}: {promise.glob!r} matches none of the {len(cases)} cases of the "
                "report: correct it, or run those cases"
            )
        for case in matched if promise.kind != "tolerance" else []:
            if case in failed:
                state, words = "BROKEN", f"it failed: {failed[case]}"
            elif case in unavailable:
                state, words = "UNPROVEN", f"unavailable: {unavailable[case]}"
            elif case not in found:
                state, words = "UNPROVEN", f"left out of the report: {unsound[case]}"
            else:
                state, words = JUDGES[promise.kind](promise, found[case], between)
            told.append(Kept(f"{case} ({promise.kind})", state, f"{promise.text}: {words}"))
    return told


def _agreement(promise: Promise, row: Row, _: float) -> tuple[str, str]:
    if row.timed is None:
        return "UNPROVEN", "the report has no timed case with an agreement: run test_latency too"
    agreement = row.timed["agreement"]
    if not agreement["claimed"]:
        return "UNPROVEN", "its weights are synthetic, so agreement is not claimed"
    lower, upper = agreement["lower"], agreement["upper"]
    words = (
        f"{percent(agreement['share'] or 0.0)} of {agreement['images']} images, "
        f"between {percent(lower)} and {percent(upper)} (one-sided 95 % each)"
    )
    state = "KEPT" if lower >= promise.value else "BROKEN" if upper < promise.value else "UNPROVEN"
    return state, words + ("; verify on more images" if state == "UNPROVEN" else "")


def _speedup(promise: Promise, row: Row, between: float) -> tuple[str, str]:
    benchmark = row.benchmarks.get("latency") or row.benchmarks.get("throughput")
    timing = paired_timing(benchmark) if benchmark else None
    if timing is None:
        return "UNPROVEN", "the report has no paired timing with a spread: run test_latency too"
    spread = Change(
        -timing.log_time, math.sqrt(timing.variance + between**2) or 1e-12, timing.freedom
    )
    wide = spread.quantile(CONFIDENCE)
    speedup, low, high = (math.exp(spread.estimate + x) for x in (0.0, -wide, wide))
    state = "KEPT" if low >= promise.value else "BROKEN" if high < promise.value else "UNPROVEN"
    return state, (
        f"{speedup:.2f}x, between {round_down(low, 2)}x and {high:.2f}x (one-sided 95 % each, "
        "with the spread between processes)"
    )


def _figure(promise: Promise, row: Row, _: float) -> tuple[str, str]:
    """Bytes are exact. A first inference is one call, so the spread of single runs is its error."""
    metric = METRIC[FIGURES[promise.kind]]
    value = metric.value(row.benchmarks)
    if value is None:
        return "UNPROVEN", "the report has no footprint of it: run benchmarks/test_footprint.py too"
    words = f"{value:.{metric.digits}f} {metric.unit}"
    factor = 1.0
    if promise.kind == "first_inference":
        factor = math.exp(Change(0.0, BETWEEN_RUNS, CERTAIN).quantile(CONFIDENCE))
        words += f", a single call, good to a factor of {factor:.2f} (one-sided 95 %)"
    limit = promise.value * metric.scale
    state = (
        "KEPT" if value * factor <= limit else "BROKEN" if value / factor > limit else "UNPROVEN"
    )
    return state, words


JUDGES = {"agreement": _agreement, "speedup": _speedup, **dict.fromkeys(FIGURES, _figure)}
