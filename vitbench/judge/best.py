"""Which variant to deploy: the front of a report, and the choice for a stated need."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from msgspec import to_builtins

from vitbench.errors import UserError
from vitbench.judge import reasons
from vitbench.judge.candidates import (
    ANSWERS,
    COST,
    NEEDS,
    Candidate,
    candidates_of,
    is_candidate,
)
from vitbench.judge.front import AGREEMENT, agreeing_more, front_of
from vitbench.judge.load import LOAD, terms_ranked
from vitbench.report.reader import Row, rows, run_of
from vitbench.report.schema import RunInfo
from vitbench.report.sound import left_out


@dataclass(frozen=True)
class Choice:
    """The recommendation for one model and batch.

    `best` is a case id, or None where nothing is left; `sentence` says why. `front` has the ids
    of the fastest, and of each that is surely better in something than all faster ones there.
    `out` has, for each other case, one sentence. `answers` is what the cost counts (ANSWERS), and
    `price` the price of the report's machine: name, per_hour and origin; None where it has none.
    """

    model: str
    batch: int
    need: str
    synthetic: bool
    best: str | None
    sentence: str
    front: tuple[str, ...]
    out: Mapping[str, str]
    candidates: tuple[Candidate, ...]
    answers: str = "images"
    price: Mapping[str, Any] | None = None

    @property
    def by_pairs(self) -> bool:
        """Whether the candidates are ranked by what was measured in pairs."""
        return any(each.by_pairs(self.need) for each in self.candidates)

    def to_json(self) -> dict[str, Any]:
        candidates = [each.to_json() for each in self.candidates]
        return asdict(self) | {"candidates": candidates}


def choose(
    report: Mapping[str, Any], need: str, least: float, answers: str | None = None
) -> list[Choice]:
    """A choice for every model and batch of a report, in order of appearance.

    `need` is one of NEEDS; `least` is the share of images that must agree, from 0 to 1. For `load`,
    batches that were not measured under load have no choice. `answers`, one of ANSWERS, is what the
    cost counts; None: requests where a batch has any. Raises UserError where the report has no
    paired timing to choose by, and no rate under load either where that is the need.
    """
    groups: dict[tuple[str, int], list[Row]] = {}
    truths: dict[str, dict[str, Any]] = {}
    for row in rows(report):
        if row.timed and row.timed.agreement.itself:
            truths.setdefault(row.case.model, row.timed.predictions.by_image)
        if is_candidate(row, need):
            groups.setdefault((row.case.model, row.case.batch), []).append(row)
    if need == LOAD:
        groups = {key: group for key, group in groups.items() if any(x.loaded for x in group)}
    unsound = {each.name: f"left out: {each.why}" for each in left_out(report) if each.group}
    if not groups:
        also = "".join(f"; {case}: {why}" for case, why in unsound.items())
        lacking, file = (
            ("rate under load", " benchmarks/test_load.py")
            if need == LOAD
            else ("paired timings", "")
        )
        raise UserError(f"the report has no {lacking}: run `pytest --benchmark-only{file}`{also}")
    run = run_of(report)
    found = [
        _choose(group, candidates_of(group, least, answers), need, least, run, truths)
        for group in groups.values()
    ]
    return [
        replace(
            each,
            out={
                **each.out,
                **{
                    case: why
                    for case, why in unsound.items()
                    if case.startswith(f"{each.model}/")
                    and case.endswith(f"/b{each.batch}")
                    and case != each.best
                },
            },
        )
        for each in found
    ]


def _choose(
    group: Sequence[Row],
    found: Sequence[Candidate],
    need: str,
    least: float,
    run: RunInfo | None,
    truths: Mapping[str, Mapping[str, Any]],
) -> Choice:
    """The choice for the cases of one model and batch. `truths`: by model, what the agreement
    reference answers to each image."""
    model, batch = group[0].case.model, group[0].case.batch
    unavailable, failed = (run.unavailable, run.failed) if run else ({}, {})
    out = {
        case: f"{state}: {reason}"
        for state, cases in (("unavailable", unavailable), ("failed", failed))
        for case, reason in cases.items()
        if case.startswith(f"{model}/") and case.endswith(f"/b{batch}")
    }
    synthetic = bool(run and model in run.models and run.models[model].weights.synthetic)
    able, terms = [], terms_ranked([each.under_load for each in found])
    for each in found:
        if each.case in failed:
            continue
        if each.figures[need] is None and each.served:
            out[each.case] = f"a running server: its {need} is not known here"
        elif each.figures[need] is None:
            field = ANSWERS[each.answers] if need == COST else NEEDS[need]
            file = f"benchmarks/test_{field.groups[0]}.py"
            out[each.case] = f"the report has no {need} of the case: run {file} too"
        elif not synthetic and each.agreement is not None and each.agreement < least:
            out[each.case] = f"agrees on {each.agreement:.1%}, and {least:.1%} is asked"
        elif each.under_load and each.by_load(need) and (no := each.under_load.why_not(terms)):
            out[each.case] = no
        else:
            able.append(each)
    compared = [name for name in NEEDS if all(each.figures[name] is not None for each in able)]
    if len({each.under_load.terms for each in able if each.under_load}) > 1:
        # A rate within 15 ms is no rate within 30 ms, nor is what it costs.
        compared = [name for name in compared if not any(each.by_load(name) for each in able)]
    if not synthetic and all(each.agreement is not None for each in able):
        compared.append(AGREEMENT)
    order = [each.case for each in sorted(able, key=lambda each: each.paired)]
    above = agreeing_more(group, truths.get(model, {}), order) if AGREEMENT in compared else {}
    behind = front_of(able, compared, need, above)
    front = tuple(each.case for each in able if not behind[each.case])
    case, why = None, "no variant is left to choose from"
    if able:
        best = min(able, key=lambda each: (each.cost(need), each.paired))
        case, why = best.case, reasons.why(best, need, least, synthetic)
        for each in able:
            if each is not best:
                whom = behind[each.case]
                beaten = [b for b in whom if _dominates(b, each, compared)]
                out[each.case] = reasons.why_not(each, best, need, whom, beaten)
    price = to_builtins(run.price) if run else None
    answers = found[0].answers
    return Choice(
        model, batch, need, synthetic, case, why, front, out, tuple(found), answers, price
    )


def _dominates(one: Candidate, other: Candidate, compared: Sequence[str]) -> bool:
    """Whether `one` is as good in everything compared, and better in something."""
    ours, theirs = ([each.cost(name) for name in compared] for each in (one, other))
    return all(a <= b for a, b in zip(ours, theirs, strict=True)) and ours != theirs
