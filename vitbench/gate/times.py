"""Each case of a report against the same case of earlier ones: what its time and drift mean."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from vitbench.gate.earlier import Anchor, CaseKey
from vitbench.gate.footprint import SIZE_TOLERANCE, TIME_FIGURES
from vitbench.gate.notes import grown
from vitbench.judge.change import (
    FEW_DEGREES,
    MOST_LOG_RATIO,
    PROCESS_SPREAD,
    Change,
    anchored,
    change,
    judge_changes,
    paired_timing,
)
from vitbench.judge.verdict import Verdict, family_words
from vitbench.report.row import TimedRow
from vitbench.stats.intervals import CONFIDENCE
from vitbench.stats.multiplicity import SUITE_LEVEL


@dataclass(frozen=True)
class Rules:
    """`tolerance`: the share by which a case may take longer; `tolerance_of` a case's own, or None.
    `process_spread`: standard deviation of log speed-up between processes of unchanged code.
    `size_tolerance` and `size_tolerance_of`: the same for bytes of artifact and memory."""

    tolerance: float = 0.15
    process_spread: float = PROCESS_SPREAD
    tolerance_of: Callable[[str], float | None] = lambda _: None
    size_tolerance: float = SIZE_TOLERANCE
    size_tolerance_of: Callable[[str], float | None] = lambda _: None

    def of(self, case: str) -> float:
        own = self.tolerance_of(case)
        return self.tolerance if own is None else own

    def size_of(self, case: str) -> float:
        own = self.size_tolerance_of(case)
        return self.size_tolerance if own is None else own

    def of_figure(self, case: str, name: str) -> float:
        """Of "size" or a figure of `footprint.FIGURES`."""
        return self.of(case) if name in TIME_FIGURES else self.size_of(case)


def compare_times(
    ours: Mapping[CaseKey, TimedRow],
    theirs: Mapping[CaseKey, Sequence[TimedRow]],
    rules: Rules,
    drift: Mapping[str, str],
    since: Mapping[CaseKey, str],
    others: Mapping[CaseKey, Change],
    others_tolerances: Mapping[CaseKey, float],
    anchors: Mapping[CaseKey, Anchor] = MappingProxyType({}),
) -> tuple[list[Verdict], dict[CaseKey, str]]:
    """The verdicts of what the report has, and the state of each test: those of times, against the
    newest and against `anchors`, and of `others` are one family. `theirs`: of each the same case of
    earlier reports, newest first; `since`: what changed since the newest of them. A reference whose
    predictions agree has no verdict: its ratio to itself means nothing; a note has its seconds."""
    told: dict[CaseKey, Verdict] = {}
    changes: dict[CaseKey, Change] = {}
    for key, row in ours.items():
        if not theirs.get(key):
            told[key] = Verdict(label(key), "NEW", "the baseline does not have this case")
            continue
        found = _change(row, theirs[key], rules)
        if isinstance(found, Change):
            changes[key] = found
        elif found:
            told[key] = Verdict(label(key), *found, figures={"compared": False})
    tolerances = {key: rules.of(key[0]) for key in changes}
    long_ago = {
        _anchor_key(key): found
        for key in changes
        if key in anchors and (found := _anchored(ours[key], anchors[key], theirs[key], rules))
    }
    states = judge_changes(
        {**changes, **long_ago, **others},
        {**{key: rules.of(key[0]) for key in (*changes, *long_ago)}, **others_tolerances},
    )
    for key in changes:
        state, anchor = states[key], _anchor_key(key)
        verdict = timed_verdict(label(key), state, changes[key], tolerances[key], len(states))
        if anchor in long_ago:
            old = timed_verdict(
                label(key), states[anchor], long_ago[anchor], tolerances[key], len(states)
            )
            verdict = _crept(verdict, old, anchors[key], tolerances[key])
            if verdict.state != state:
                told[key] = verdict
                continue
        if state == "SLOWER":
            verdict = replace(
                verdict,
                sentence=verdict.sentence
                + grown(ours[key], theirs[key][0], math.expm1(changes[key].estimate)),
            )
        if state == "INCONCLUSIVE":
            verdict = replace(verdict, sentence=verdict.sentence + _remedy(changes[key]))
        told[key] = verdict
    for key in ours:
        if key[0] in drift:
            was = told.get(key)
            words = drift[key[0]] + (f"; {was.sentence}" if was else "")
            told[key] = replace(
                was or Verdict(label(key), "DRIFTED", ""), state="DRIFTED", sentence=words
            )
    moved = ("SLOWER", "FASTER", "DRIFTED")
    return [
        replace(told[key], sentence=f"{told[key].sentence}; since then {since[key]}")
        if since.get(key) and told[key].state in moved
        else told[key]
        for key in ours
        if key in told
    ], states


def _change(
    row: TimedRow, bases: Sequence[TimedRow], rules: Rules
) -> Change | tuple[str, str] | None:
    """The change of a case timed in pairs; state and reason where there is none; None for the
    reference."""
    ours, newest = (each.extra_info.reference for each in (row, bases[0]))
    if ours.variant != newest.variant:
        words = f"timed in pairs with {ours.variant} here and {newest.variant} in the baseline"
        return "INCOMPARABLE", words
    if ours.null_arm:
        return None
    same = [each for each in bases if each.extra_info.reference.variant == ours.variant]
    head, base = paired_timing(row), [paired_timing(each) for each in same]
    known = [each for each in base if each is not None]
    if head is None or not known:
        return "INCONCLUSIVE", "one round shows no spread: give the case more --seconds"
    return change(head, known, rules.process_spread)


def _anchor_key(key: CaseKey) -> CaseKey:
    return key[0], f"{key[1]} of the anchor"


def _anchored(
    row: TimedRow, anchor: Anchor, bases: Sequence[TimedRow], rules: Rules
) -> Change | None:
    """The change since the anchor; None where that was not timed in pairs with the same variant."""
    name = row.extra_info.reference.variant
    groups = [
        [paired_timing(each) for each in group if each.extra_info.reference.variant == name]
        for group in ([row], anchor.rows, bases)
    ]
    (head,), old, newest = ([each for each in group if each is not None] for group in groups)
    return anchored(head, old, newest, rules.process_spread) if old else None


def _crept(newest: Verdict, old: Verdict, anchor: Anchor, tolerance: float) -> Verdict:
    """The verdict against the newest runs, unless that against the anchor alone is SLOWER. It is
    not SAME while the anchor's estimate is beyond the tolerance."""
    told = {"change": old.change, "low": old.low, "high": old.high, "of": anchor.words}
    figures = {**newest.figures, "anchor": told}
    if old.state == "SLOWER" and newest.state != "SLOWER":
        words = (
            f"{old.sentence}, against {anchor.words}; against the newest runs the time is "
            f"{100 * (newest.change or 0.0):+.1f} %: the case became slower gradually, or before "
            "those runs. If the change is intended, `vitbench accept` sets a new start"
        )
        return replace(old, sentence=words, figures=figures)
    if newest.state == "SAME" and (old.change or 0.0) > tolerance:
        words = f"{newest.sentence}, but against {anchor.words}: {old.sentence}"
        return replace(newest, state="INCONCLUSIVE", sentence=words, figures=figures)
    return replace(newest, figures=figures)


def _remedy(found: Change) -> str:
    """Why a change is INCONCLUSIVE, where that is known."""
    if found.shown is not None:
        return f"; the baseline's own runs differ by {found.shown * 100:.0f} % (standard deviation)"
    few = found.freedom < FEW_DEGREES
    return "; the case has too few rounds: give it more --seconds" if few else ""


def timed_verdict(case: str, state: str, found: Change, tolerance: float, tests: int) -> Verdict:
    """What a change means, in a sentence; the ends of its interval are one-sided 5 % bounds."""
    wide = found.quantile(CONFIDENCE)
    time, low, high = (
        math.expm1(found.estimate + min(x, MOST_LOG_RATIO)) for x in (0.0, -wide, wide)
    )
    visible = found.visible(tolerance, SUITE_LEVEL / tests)
    sees = (
        f"a slowdown of {visible * 100:.0f} % or more" if math.isfinite(visible) else "no slowdown"
    )
    words = f"time {time * 100:+.1f} % [{low * 100:+.1f}, {high * 100:+.1f}]"
    said = {
        "SAME": f"within the tolerance of {tolerance * 100:g} %",
        "SLOWER": f"beyond the tolerance of {tolerance * 100:g} %, and chance is ruled out at 1 % "
        f"{family_words(tests)}",
        "FASTER": f"beyond the tolerance of {tolerance * 100:g} %",
        "INCONCLUSIVE": f"the change may be within the tolerance of {tolerance * 100:g} % or "
        f"beyond it; this comparison detects {sees}",
    }
    figures = {
        "standard_error": found.standard_error,
        "tolerance": tolerance,
        "visible": visible if math.isfinite(visible) else None,
    }
    return Verdict(case, state, f"{words}: {said[state]}", time, low, high, figures)


def label(key: CaseKey) -> str:
    """A case as it is named in verdicts: its id, and the group where that is not latency."""
    return key[0] if key[1] == "latency" else f"{key[0]} ({key[1]})"
