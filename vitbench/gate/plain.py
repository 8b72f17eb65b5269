"""Plain rows of pytest-benchmark against earlier ones: native medians, without pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vitbench.gate.times import Rules, timed_verdict
from vitbench.judge.change import RUN_SPREAD, Timing, change, judge_changes, plain_timing
from vitbench.judge.verdict import Verdict
from vitbench.report.machine import differing
from vitbench.report.sound import left_out, name_of, sound


def judge_plain(
    head: Mapping[str, Any], bases: Sequence[Mapping[str, Any]], rules: Rules
) -> list[Verdict]:
    """Native medians by test name, with the spread of unpaired runs: mostly INCONCLUSIVE."""
    if other := [each for base in bases[:1] for each in differing(head, base)]:
        sentence = f"the baseline is of another machine: {'; '.join(other)}"
        names = dict.fromkeys(name_of(benchmark) for benchmark in sound(head)["benchmarks"])
        return [Verdict(name, "INCOMPARABLE", sentence) for name in names]
    timings = [_plain(each) for each in (head, *bases)]
    ours, newest = timings[0], timings[1] if bases else {}
    changes = {
        name: change(ours[name], [base[name] for base in timings[1:] if name in base], RUN_SPREAD)
        for name in ours
        if name in newest
    }
    states = judge_changes(changes, dict.fromkeys(changes, rules.tolerance))
    why = (
        f"; plain medians, not timed in pairs: such medians of identical runs differ by "
        f"{RUN_SPREAD:.0%} (standard deviation)"
    )
    verdicts = []
    for name in ours:
        if name not in changes:
            verdicts.append(Verdict(name, "NEW", "the baseline does not have this case"))
            continue
        found = timed_verdict(name, states[name], changes[name], rules.tolerance, len(changes))
        verdicts.append(replace(found, sentence=found.sentence + why))
    words = "the baseline has this case, this report does not"
    here = {*ours, *(each.name for each in left_out(head))}
    there = dict.fromkeys((*newest, *(each.name for base in bases[:1] for each in left_out(base))))
    return verdicts + [Verdict(name, "MISSING", words) for name in there if name not in here]


def _plain(report: Mapping[str, Any]) -> dict[str, Timing]:
    found = sound(report)["benchmarks"]
    return {name_of(benchmark): plain_timing(benchmark) for benchmark in found}
