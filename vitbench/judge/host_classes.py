"""Reports of several machines by class of machine: of each class the newest figures of a case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from vitbench.judge.machines import Named
from vitbench.report.hardware import hardware
from vitbench.report.machine import taken
from vitbench.report.reader import Row, rows, run_of


@dataclass(frozen=True)
class ClassReports:
    """A class of machine, as a report describes it, and its reports, newest first. `states`: by
    case, how it ended, where that is known besides."""

    machine: str
    reports: tuple[Named, ...]
    states: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rows(self) -> Mapping[str, Row]:
        """By case, of the newest report that has it."""
        return {row.case.id: row for named in reversed(self.reports) for row in rows(named.report)}

    @cached_property
    def ended(self) -> Mapping[str, str]:
        """By case that has no figures: `failed` or `unavailable`, as the newest report says; else
        its state."""
        found = dict(self.states)
        for named in reversed(self.reports):
            if run := run_of(named.report):
                found |= dict.fromkeys(run.unavailable, "unavailable")
                found |= dict.fromkeys(run.failed, "failed")
        return {case: state for case, state in found.items() if case not in self.rows}

    def holding(self, model: str, batch: int) -> Named | None:
        """The newest report that has a case of a model and batch."""
        for named in self.reports:
            if any(
                (row.case.model, row.case.batch) == (model, batch) for row in rows(named.report)
            ):
                return named
        return None


def host_classes(reports: Sequence[Named]) -> list[ClassReports]:
    """In order of first appearance. Raises UserError for a report without a date."""
    found: list[tuple[object, list[Named]]] = []
    for each in reports:
        parts = hardware(each.report.get("machine_info")).parts
        those = next((members for known, members in found if known == parts), None)
        if those is None:
            found.append((parts, [each]))
        else:
            those.append(each)
    classes = []
    for _, members in found:
        newest_first = sorted(members, key=lambda x: taken(x.report, x.name), reverse=True)
        machine = hardware(newest_first[0].report.get("machine_info")).name
        classes.append(ClassReports(machine, tuple(newest_first)))
    return classes
