"""A report compared with earlier ones: a verdict for each case, and notes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from vitbench.case import Case
from vitbench.gate.earlier import Anchor, CaseKey, Earlier, earlier, model_of
from vitbench.gate.footprint import Footprints
from vitbench.gate.notes import gate_notes
from vitbench.gate.plain import judge_plain
from vitbench.gate.rename import gone, with_hints
from vitbench.gate.times import Rules, compare_times, label
from vitbench.judge.drift import Drift, compare_predictions, drift_of, pixels_of
from vitbench.judge.verdict import Verdict
from vitbench.report.hardware import hardware
from vitbench.report.machine import changed
from vitbench.report.reader import Row, rows, run_of
from vitbench.report.row import TimedRow
from vitbench.report.sound import left_out


@dataclass(frozen=True)
class Judgement:
    """A verdict for each case, in the order of the report, then the incomparable and the missing;
    and notes."""

    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]


def judge_report(
    head: Mapping[str, Any],
    bases: Sequence[Mapping[str, Any]],
    rules: Rules,
    count: int | None = None,
    anchors: Mapping[CaseKey, Anchor] = MappingProxyType({}),
) -> Judgement:
    """Compare `head` with `bases`, newest first: each case with the newest `count` (None: all) that
    have it, within the class of its model, and with its anchor where it has one.

    Where `head` or all of `bases` have no rows of vitbench, native medians are compared by test
    name. A case that is not sound (`report.sound`) is INCOMPARABLE; the others are judged.
    """
    unsound = [
        Verdict(each.label, "INCOMPARABLE", f"left out of this report: {each.why}")
        for each in left_out(head)
    ]
    past = earlier(head, bases, count)
    if not _of_vitbench(head) or (bases and not any(map(_of_vitbench, bases))):
        plain = _known(judge_plain(head, bases, rules), bases)
        doubt = hardware(head.get("machine_info")).doubt
        plain = plain if bases else [*map(_unheld, plain)]
        plain += [*unsound, *_failed_only(head, past, set())]
        return Judgement(tuple(with_hints(plain, head, bases)), (doubt,) if doubt else ())
    ours = _timed(head)
    theirs = {
        key: [each.row for each in found if isinstance(each.row, TimedRow)]
        for key, found in past.past.items()
    }
    plainly = {key: [each.benchmark for each in found] for key, found in past.past.items()}
    since = {key: changed(head, found[0].report) for key, found in past.past.items()}
    fit = {key: each for key, each in ours.items() if model_of(key[0]) not in past.strangers}
    footprints = Footprints(_by_id(head), plainly, rules.of_figure)
    others = footprints.changes, footprints.tolerances
    drift = _drift(head, past)
    verdicts, states = compare_times(fit, theirs, rules, drift.drifted, since, *others, anchors)
    verdicts = _known(_doubted(verdicts, drift.doubtful, fit), bases)
    for verdict, key in footprints.verdicts(states):
        words = f"; since then {since[key]}" if since[key] and verdict.state == "LARGER" else ""
        verdicts.append(replace(verdict, sentence=verdict.sentence + words))
    verdicts += _strange(head, past)
    here = {*ours, *((each.name, each.group) for each in left_out(head))}
    missing = [key for key in past.wanted if key not in here]
    verdicts += [_missing(key, head, [k for k in ours if k not in theirs]) for key in missing]
    verdicts += unsound
    verdicts += _failed_only(head, past, {key[0] for key in (*here, *missing)})
    verdicts = verdicts if bases else [*map(_unheld, verdicts)]
    beneath = (*footprints.notes(states), *drift.notes, *gate_notes(head, past), *gone(head, bases))
    return Judgement(tuple(with_hints(verdicts, head, bases)), beneath)


def _of_vitbench(report: Mapping[str, Any]) -> bool:
    return bool(rows(report)) or any(each.group for each in left_out(report))


def _known(verdicts: Sequence[Verdict], bases: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """A case that is left out of the baseline is not new."""
    known = {each.label: each.why for base in reversed(bases) for each in left_out(base)}
    words = "left out of the baseline: {}".format
    return [
        replace(each, state="INCOMPARABLE", sentence=words(known[each.case]))
        if each.state == "NEW" and each.case in known
        else each
        for each in verdicts
    ]


def _unheld(verdict: Verdict) -> Verdict:
    """Where no baseline was found, none lacks a case."""
    if verdict.state != "NEW":
        return verdict
    return replace(verdict, sentence="no baseline was found for this case")


def _timed(report: Mapping[str, Any]) -> dict[CaseKey, TimedRow]:
    return {
        (row.case.id, group): each
        for row in rows(report)
        for group, each in row.typed.items()
        if isinstance(each, TimedRow)
    }


def _strange(head: Mapping[str, Any], past: Earlier) -> list[Verdict]:
    return [
        Verdict(
            row.case.id,
            "INCOMPARABLE",
            "the baseline is of another machine, of other weights or of another head: "
            + past.strangers[row.case.model],
        )
        for row in rows(head)
        if row.case.model in past.strangers
    ]


def _drift(head: Mapping[str, Any], past: Earlier) -> Drift:
    """Which cases of the report predict otherwise, or break their limits."""
    found, ours = {}, _by_id(head)
    for case, row in ours.items():
        if then := past.newest(case):
            theirs = _by_id(then.report)
            pixels = pixels_of(head, then.report, case)
            found[case] = compare_predictions(row, theirs[case], theirs, pixels)
    drift = drift_of(found)
    told = dict(drift.drifted)
    for case, row in ours.items():
        if row.timed and row.timed.agreement.state == "BROKEN":
            told[case] = f"its limits are broken: {row.timed.agreement.sentence}"
    run = run_of(head)
    failed = run.failed if run else {}
    told |= {
        case: f"the case fails in this report: {failed[case]}"
        for case in failed
        if not past.failed(case)
    }
    return replace(drift, drifted=told)


def _doubted(
    verdicts: Sequence[Verdict], doubtful: Mapping[str, str], keys: Iterable[CaseKey]
) -> list[Verdict]:
    """The verdicts, where a case whose predictions are in doubt is neither SAME nor FASTER; nor
    does a reference go without a verdict."""
    found = {each.case: each for each in verdicts}
    for key in [key for key in keys if key[0] in doubtful]:
        was, words = found.get(label(key)), doubtful[key[0]]
        if was is None:
            found[label(key)] = Verdict(label(key), "INCONCLUSIVE", words)
        elif was.state != "DRIFTED":
            passes = was.state in ("SAME", "FASTER")
            found[was.case] = replace(
                was,
                state="INCONCLUSIVE" if passes else was.state,
                sentence=f"{words}; {was.sentence}" if passes else f"{was.sentence}; {words}",
            )
    return list(found.values())


def _by_id(report: Mapping[str, Any]) -> dict[str, Row]:
    return {row.case.id: row for row in rows(report)}


def _missing(key: CaseKey, head: Mapping[str, Any], new: Sequence[CaseKey]) -> Verdict:
    """A case that the report lacks: it failed, cannot run here, was renamed, or was not run."""
    run, case = run_of(head), Case.parse(key[0])
    if run and key[0] in run.failed:
        words = f"the case worked in the baseline and fails in this report: {run.failed[key[0]]}"
        return Verdict(label(key), "DRIFTED", words)
    if run and key[0] in run.unavailable:
        words = "the case ran in the baseline and is unavailable in this report: "
        words += run.unavailable[key[0]]
        return Verdict(label(key), "MISSING", words)
    like = [
        each
        for each, group in new
        if group == key[1] and replace(Case.parse(each), variant=case.variant) == case
    ]
    hint = f"; was it renamed to {' or '.join(like)}?" if like else ""
    cut = "; the run of this report was cut short" if run and not run.complete else ""
    words = f"the baseline has this case, this report does not{hint}{cut}"
    return Verdict(label(key), "MISSING", words)


def _failed_only(head: Mapping[str, Any], past: Earlier, known: set[str]) -> list[Verdict]:
    """What failed in the report and has no times in either."""
    verdicts, run = [], run_of(head)
    for case, why in run.failed.items() if run else ():
        if case not in known and past.known(case) and not past.failed(case):
            words = f"the case worked in the baseline and fails in this report: {why}"
            verdicts.append(Verdict(case, "DRIFTED", words))
        elif case not in known:
            words = f"the case fails in this report, and the baseline has no figures of it: {why}"
            verdicts.append(Verdict(case, "INCOMPARABLE", words))
    return verdicts
