"""What of earlier reports each case of a report is compared with: for each case the newest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vitbench.report.fields import TIMED
from vitbench.report.machine import differing
from vitbench.report.reader import rows
from vitbench.report.row import OurRow, TimedRow
from vitbench.report.sound import LEFT_OUT, by_vitbench, is_ours

CaseKey = tuple[str, str]
"""A case's id and the benchmark group that measured it."""
UNSAID = 10
"""Of so many reports of schema 1 one at least was of the whole suite."""


@dataclass(frozen=True)
class Past:
    """A benchmark of an earlier report, as its JSON and as a type, and that report."""

    report: Mapping[str, Any]
    benchmark: Mapping[str, Any]
    row: OurRow


@dataclass(frozen=True)
class Anchor:
    """The same case long ago, which creeping change cannot move: of the accepted report, or of the
    first ones of the history, oldest first. `words` says which."""

    rows: tuple[TimedRow, ...]
    words: str


@dataclass(frozen=True)
class Contents:
    """Which cases a report has, and those of it that cannot be judged. `selected`: the words that
    chose fewer cases than the suite has, () where none did; None where the report does not say, as
    those of schema 1."""

    keys: tuple[CaseKey, ...]
    left_out: tuple[CaseKey, ...]
    failed: frozenset[str]
    unavailable: frozenset[str]
    selected: tuple[str, ...] | None
    complete: bool

    def usable(self, key: CaseKey) -> bool:
        """Whether its figures of a case count: what a run that was cut short finished is whole."""
        return key in self.keys and (self.complete or key[0] not in self.failed)


@dataclass(frozen=True)
class Earlier:
    """`past`: by case and group (footprint too) the newest reports that have it, newest first.
    `wanted`: timed cases and groups that the report should have. `strangers`: by model, why no
    report that has it may be compared. `bases`: by model, all that may, newest first."""

    past: Mapping[CaseKey, tuple[Past, ...]]
    wanted: tuple[CaseKey, ...]
    strangers: Mapping[str, str]
    bases: Mapping[str, tuple[Mapping[str, Any], ...]]

    def newest(self, case: str, groups: Sequence[str] = TIMED) -> Past | None:
        """The newest report that has the case in one of the groups, the first of them first."""
        found = [self.past[case, group][0] for group in groups if (case, group) in self.past]
        return found[0] if found else None

    def known(self, case: str) -> bool:
        """Whether any comparable report has figures of the case."""
        return any(key[0] == case for key in self.past)

    def failed(self, case: str) -> bool:
        """Whether the case failed already in the newest comparable report that says anything."""
        for base in self.bases.get(model_of(case), ()):
            found = contents(base)
            if case in found.failed:
                return True
            if any(key[0] == case for key in found.keys):
                return False
        return False


def contents(report: Mapping[str, Any]) -> Contents:
    """Looks only at cases and groups, so that any report that could be parsed has some."""
    keys = [
        (benchmark["extra_info"]["case"]["id"], str(benchmark.get("group")))
        for benchmark in report["benchmarks"]
        if by_vitbench(report) and is_ours(benchmark)
    ]
    run = report.get("vitbench") or {}
    selected = run.get("selected")
    return Contents(
        tuple(dict.fromkeys(keys)),
        tuple((each.name, each.group) for each in report.get(LEFT_OUT, ()) if each.group),
        frozenset(run.get("failed") or {}),
        frozenset(run.get("unavailable") or {}),
        tuple(map(str, selected)) if isinstance(selected, list) else None,
        bool(run.get("complete", True)),
    )


def model_of(case: str) -> str:
    return case.partition("/")[0]


def models(report: Mapping[str, Any]) -> list[str]:
    """The models of a report: of its cases, and those that it was to measure."""
    listed = (report.get("vitbench") or {}).get("models") or {}
    found = contents(report)
    cases = [model_of(case) for case, _ in (*found.keys, *found.left_out)]
    return list(dict.fromkeys([*cases, *listed]))


def earlier(
    head: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], count: int | None = None
) -> Earlier:
    """Of `reports`, newest first, the newest `count` (None: all) for each case."""
    held: dict[CaseKey, list[Past]] = {}
    strangers, bases = {}, {}
    wanted: list[CaseKey] = []
    for model in models(head):
        having = [each for each in reports if model in models(each)]
        differ = [(each, differing(head, each, model)) for each in having]
        fit = bases[model] = tuple(each for each, told in differ if not told)
        if having and not fit:
            strangers[model] = "; ".join(differ[0][1])
        told = [of_model(contents(each), model) for each in fit]
        wanted += wanted_of(of_model(contents(head), model), told)
        for report, what in zip(fit, told, strict=True):
            for row in rows(report):
                for group, benchmark in row.benchmarks.items():
                    if what.usable((row.case.id, group)):
                        found = Past(report, benchmark, row.typed[group])
                        held.setdefault((row.case.id, group), []).append(found)
    past = {key: tuple(each[:count]) for key, each in held.items()}
    return Earlier(past, tuple(dict.fromkeys(wanted)), strangers, bases)


def wanted_of(head: Contents, bases: Sequence[Contents]) -> Iterator[CaseKey]:
    """The timed cases that `bases`, newest first, ask of `head`, all of one model: not what a newer
    one of them says was unavailable or failed."""
    gone: set[str] = set()
    for base in (bases[index] for index in asking(head, bases)):
        keys = [key for key in (*base.keys, *base.left_out) if key[1] in TIMED]
        yield from (key for key in keys if key[0] not in gone)
        gone |= (base.failed | base.unavailable) - {case for case, _ in keys}


def asking(head: Contents, bases: Sequence[Contents]) -> Iterator[int]:
    """Which of `bases`, newest first, ask `head` for their cases.

    A report of selected cases asks only a report that was selected by the same words, and no other
    report asks that one. The newest report that says it was whole is the last to ask. A report that
    does not say may have been of selected cases, so up to UNSAID older reports ask too.
    """
    left = UNSAID
    for index, base in enumerate(bases):
        if left and {*(head.selected or ())} == {*(base.selected or ())}:
            yield index
            left = 0 if base.complete and base.selected is not None else left - 1


def of_model(found: Contents, model: str) -> Contents:
    """What a report has of one model."""
    keys, left_out = (
        tuple(key for key in each if model_of(key[0]) == model)
        for each in (found.keys, found.left_out)
    )
    return replace(found, keys=keys, left_out=left_out)
