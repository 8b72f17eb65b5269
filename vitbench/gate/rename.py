"""Names that changed since the baseline: of models, cases, tests and files of tests."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.gate.earlier import model_of, models
from vitbench.judge.verdict import Verdict
from vitbench.report.machine import machine, with_models
from vitbench.report.sound import LEFT_OUT, by_vitbench, is_ours, name_of

Renames = Mapping[str, str]
"""The new name of each old one."""
UNCHANGED: Renames = MappingProxyType({})


def renames_of(texts: Sequence[str], head: Mapping[str, Any]) -> dict[str, str]:
    """The names of --rename OLD=NEW; a name may contain "=", so NEW is a name that `head` has.

    Raises UserError for what is no OLD=NEW, for a NEW that the report lacks, and for an OLD that
    is given twice.
    """
    known, found = set(names_in(head)), dict[str, str]()
    for text in texts:
        parts = text.split("=")
        pairs = [("=".join(parts[:i]), "=".join(parts[i:])) for i in range(1, len(parts))]
        pairs = [(old, new) for old, new in pairs if old and new]
        if not pairs:
            raise UserError(f"--rename={text}: give OLD=NEW, such as --rename=vit=vit_base")
        fit = [(old, new) for old, new in pairs if new in known]
        if not fit:
            raise UserError(
                f"--rename={text}: the report has no model, case, test or file of tests "
                f"{pairs[0][1]!r}: correct the new name"
            )
        old, new = fit[0]
        if found.setdefault(old, new) != new:
            raise UserError(f"--rename: {old!r} is renamed to {found[old]!r} and {new!r}: keep one")
    return found


def renamed(report: Mapping[str, Any], renames: Renames) -> dict[str, Any]:
    """The report by its new names; a name stays where the report has the new one already."""
    known = set(names_in(report))
    names = {old: new for old, new in renames.items() if old in known and new not in known}
    if not names:
        return dict(report)

    def of(name: str) -> str:
        return _new_name(name, names)

    whose = by_vitbench(report)
    out = {
        **report,
        "benchmarks": [
            _renamed_row(each, name := _name(report, each), of(name), whose and is_ours(each))
            for each in report["benchmarks"]
        ],
    }
    if LEFT_OUT in report:
        out[LEFT_OUT] = tuple(replace(each, name=of(each.name)) for each in report[LEFT_OUT])
    if not whose:
        return out
    run = dict(report.get("vitbench", {}))
    for part in ("models", "unavailable", "failed"):
        if isinstance(run.get(part), dict):
            run[part] = {of(name): each for name, each in run[part].items()}
    out["vitbench"] = run
    if found := machine(report):
        out["machine_info"] = {**report["machine_info"], "vitbench": with_models(found, of)}
    return out


def unused_renames(renames: Renames, names: Collection[str]) -> str:
    """What to say of an OLD that is no name of any earlier report; "" where all are."""
    told = [f"--rename={old}={new}" for old, new in renames.items() if old not in names]
    what = "the old name" if len(told) == 1 else "these old names"
    return f"; {' '.join(told)}: no earlier report has {what}" if told else ""


def suggestions(head: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, str]:
    """Old names of the baseline that may be new ones of the report: models of equal weights, and
    tests of one name whose file moved; the file itself where all of its tests went to one."""
    tables = [machine(each).get("weights") for each in (head, base)]
    ours, theirs = (each if isinstance(each, dict) else {} for each in tables)
    found = {
        old: new
        for new in ours
        if new not in theirs
        for old in theirs
        if old not in ours and theirs[old] == ours[new]
    }
    here, there = set(_plain(head)), set(_plain(base))
    like = {old: [new for new in here - there if _same_test(old, new)] for old in there - here}
    moved = {old: new[0] for old, new in sorted(like.items()) if len(new) == 1}
    for old, new in moved.items():
        of_file = [name for name in there if _parts(name)[0] == _parts(old)[0]]
        whole = {_parts(moved.get(name, ""))[0] for name in of_file} == {_parts(new)[0]}
        found |= {_parts(old)[0]: _parts(new)[0]} if whole else {old: new}
    return found


def _same_test(one: str, other: str) -> bool:
    return bool(_parts(one)[0]) and _parts(one)[1] == _parts(other)[1]


def hint(found: Mapping[str, str]) -> str:
    """What to say of suggestions; "" where there are none."""
    options = " ".join(f"--rename={old}={new}" for old, new in found.items())
    return (
        f"; a model has equal weights and another name: if it was renamed, give {options}"
        if found
        else ""
    )


def with_hints(
    verdicts: Sequence[Verdict], head: Mapping[str, Any], bases: Sequence[Mapping[str, Any]]
) -> list[Verdict]:
    """What is NEW or MISSING, with the name that it may have had or may have now."""
    found = {old: new for base in reversed(bases) for old, new in suggestions(head, base).items()}
    back = {new: old for old, new in found.items()}

    def told(verdict: Verdict) -> Verdict:
        side = {"NEW": back, "MISSING": found}.get(verdict.state, {})
        case = verdict.case.partition(" (")[0]
        name = next((x for x in (verdict.case, _parts(case)[0], model_of(case)) if x in side), "")
        if not name:
            return verdict
        old, new = (side[name], name) if verdict.state == "NEW" else (name, side[name])
        why = (
            "if the test was moved"
            if "::" in verdict.case
            else "if the model was renamed, as equal weights suggest"
        )
        words = f"{verdict.sentence}; {why}, give --rename={old}={new}"
        return replace(verdict, sentence=words)

    return [told(verdict) for verdict in verdicts]


def gone(head: Mapping[str, Any], bases: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line on models of the baseline that the report lacks."""
    lost = dict.fromkeys(x for base in bases for x in models(base) if x not in models(head))
    return [f"the baseline has models that this report lacks: {', '.join(lost)}"] if lost else []


def names_in(report: Mapping[str, Any]) -> Iterator[str]:
    """All that can be renamed in a report."""
    yield from models(report)
    for each in report["benchmarks"]:
        name = _name(report, each)
        yield from (name, *([] if by_vitbench(report) and is_ours(each) else [_parts(name)[0]]))
    for each in report.get(LEFT_OUT, ()):
        yield each.name


def _plain(report: Mapping[str, Any]) -> list[str]:
    ours = by_vitbench(report)
    return [name_of(each) for each in report["benchmarks"] if not (ours and is_ours(each))]


def _name(report: Mapping[str, Any], benchmark: Mapping[str, Any]) -> str:
    ours = by_vitbench(report) and is_ours(benchmark)
    return str(benchmark["extra_info"]["case"].get("id")) if ours else name_of(benchmark)


def _parts(name: str) -> tuple[str, str]:
    """The file of a test, "" where the name has none, and the rest."""
    file, mark, rest = name.partition("::")
    return (file, rest) if mark else ("", file)


def _new_name(name: str, names: Renames) -> str:
    if name in names:
        return names[name]
    file, rest = _parts(name)
    if file in names:
        return f"{names[file]}::{rest}"
    model = model_of(name)
    return names[model] + name[len(model) :] if model in names and name.count("/") == 3 else name


def _renamed_row(benchmark: Mapping[str, Any], old: str, new: str, ours: bool) -> dict[str, Any]:
    if old == new:
        return dict(benchmark)
    if not ours:
        return {**benchmark, "fullname" if benchmark.get("fullname") else "name": new}
    case, extra = Case.parse(new), benchmark["extra_info"]
    return {
        **benchmark,
        "extra_info": {**extra, "case": {**extra["case"], "id": new, **asdict(case)}},
    }
