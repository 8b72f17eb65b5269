"""The contracts of a project: what `[tool.vitbench.contracts]` of a pyproject.toml demands."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from vitbench.errors import UserError
from vitbench.judge.structures import DEFAULT, PLACEHOLDER, file_of
from vitbench.pyproject import read_pyproject
from vitbench.report.fields import FIELD, HIGHER, LOWER, SHARE

_CLAUSE = re.compile(
    r"(?P<name>\w+)\s*(?P<sign>[<>=!~]+)\s*(?P<number>[-+.\w]*?)\s*(?P<unit>/?[a-zA-Z]*|%)"
)
_STRUCTURE = re.compile(r"structure\s*=\s*(?P<path>\S.*)")
_GLOB = re.compile(r"(?:[A-Za-z0-9_./:*?-]|\[!?[A-Za-z0-9_.:-]+\])+")


@dataclass(frozen=True)
class ClauseKind:
    """A figure that a contract may bound: the sign, the scale of each unit, the largest value."""

    sign: str
    units: Mapping[str, float]
    most: float = float("inf")


TOLERANCES = ("tolerance", "size_tolerance")
"""These set how a case is compared with a baseline, and demand nothing by themselves."""
STRUCTURE = "structure"
"""What a call executes is what the file at `path` has: judge/structures.py."""
_SIGN = {HIGHER: ">=", LOWER: "<="}
CONTRACT_KINDS = {
    field.contract.name: ClauseKind(_SIGN[field.better], field.measure, field.contract.most)
    for field in FIELD.values()
    if field.contract
} | {name: ClauseKind("=", SHARE, 1.0) for name in TOLERANCES}


@dataclass(frozen=True)
class Contract:
    """One clause for the cases that `glob` matches. `value` is in shares, times, bytes or seconds;
    `text` is the clause as it was written, `place` its file and line. `path`: of a structure, the
    absolute path of its file, with CASE for the id of a case."""

    glob: str
    kind: str
    value: float
    text: str
    place: str
    path: str = ""

    def holds_for(self, case: str) -> bool:
        return fnmatchcase(case, self.glob)


def read_contracts(path: Path) -> tuple[Contract, ...]:
    """The contracts of a pyproject.toml, in its order; () where it has no such table.

    Raises UserError, which names the file and the line, for what cannot be read or meant.
    """
    read = read_pyproject(path, "contracts")
    contracts: list[Contract] = []
    for glob, clauses in read.section("contracts").items():
        at = read.place("contracts", glob)
        if not _GLOB.fullmatch(glob):
            raise UserError(
                f"{at}: {glob!r} is not a glob for case ids: expected one such as "
                '"*/int8-dynamic/cpu/b1"'
            )
        if not isinstance(clauses, list) or not all(isinstance(each, str) for each in clauses):
            raise UserError(
                f'{at}: {glob!r} should be a list of strings, such as ["speedup >= 1.3"]'
            )
        if not clauses:
            raise UserError(f"{at}: {glob!r} has no contract: write one, or delete the line")
        for clause in clauses:
            place = read.text_place(clause, "contracts", glob)
            kind, value, file = _parse(clause, place)
            if any(p.glob == glob and p.kind == kind for p in contracts):
                raise UserError(f"{place}: {glob!r} has two contracts on {kind}: keep one")
            if file and set(glob) & set("*?[") and PLACEHOLDER not in file:
                raise UserError(
                    f"{place}: {clause!r}: {glob!r} may match several cases, which cannot share "
                    f"one file: write structure = {DEFAULT}"
                )
            where = str(path.absolute().parent / file) if file else ""
            contracts.append(Contract(glob, kind, value, clause.strip(), place, where))
    return tuple(contracts)


def structure_file(contracts: Sequence[Contract], case: str) -> Path | None:
    """The file of the case's structure, of several globs the last; None where it has none."""
    own = [p.path for p in contracts if p.kind == STRUCTURE and p.holds_for(case)]
    return Path(file_of(own[-1], case)) if own else None


def tolerances(contracts: Sequence[Contract], case: str, kind: str = "tolerance") -> float | None:
    """The case's own tolerance as a share, of several globs the last; None where it has none."""
    own = [p.value for p in contracts if p.kind == kind and p.holds_for(case)]
    return own[-1] if own else None


def own_tolerances(contracts: Sequence[Contract], cases: Sequence[str]) -> dict[str, float]:
    """The tolerances of the cases that have their own."""
    found = {case: tolerances(contracts, case) for case in cases}
    return {case: own for case, own in found.items() if own is not None}


def unused_tolerances(contracts: Sequence[Contract], cases: Sequence[str]) -> list[str]:
    """A line for each tolerance that is for none of the cases."""
    return [
        f"{p.glob!r} ({p.text}) matches no case of this run"
        for p in contracts
        if p.kind == "tolerance" and not any(p.holds_for(case) for case in cases)
    ]


def _parse(clause: str, place: str) -> tuple[str, float, str]:
    """Kind and value of a clause such as "size <= 30 MB"; of a structure, its path."""
    if named := _STRUCTURE.fullmatch(clause.strip()):
        return STRUCTURE, 0.0, named["path"]
    match = _CLAUSE.fullmatch(clause.strip())
    if match is None:
        raise UserError(
            f'{place}: {clause!r} is not a contract: expected one such as "agreement >= 0.96"'
        )
    name, kind = match["name"], CONTRACT_KINDS.get(match["name"])
    if name == STRUCTURE:
        raise UserError(f"{place}: {clause!r}: it needs a file: write structure = {DEFAULT}")
    if kind is None:
        raise UserError(
            f"{place}: there is no contract on {name!r}; choose from "
            f"{', '.join((*CONTRACT_KINDS, STRUCTURE))}"
        )
    if match["sign"] != kind.sign:
        raise UserError(f"{place}: {clause!r}: {name} needs {kind.sign}, not {match['sign']}")
    if match["unit"] not in kind.units:
        units = " or ".join(unit or "no unit" for unit in kind.units)
        said = repr(match["unit"]) if match["unit"] else "none"
        raise UserError(f"{place}: {clause!r}: the unit of {name} is {units}, not {said}")
    try:
        value = float(match["number"]) * kind.units[match["unit"]]
    except ValueError:
        value = float("nan")
    if not 0 < value <= kind.most or value == float("inf"):
        most = f" and at most {kind.most:g}, which is 100 %" if kind.most < float("inf") else ""
        raise UserError(f"{place}: {clause!r}: {name} should be a number above 0{most}")
    return name, value, ""
