"""`vitbench structure CASE`: what a call of a case executes, beside what was accepted."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.options import STRUCTURE
from vitbench.cli.parsing import add, path_of
from vitbench.cli.session import case_session
from vitbench.judge.verdict import INCONCLUSIVE, PASS, REGRESSION

if TYPE_CHECKING:
    from vitbench.structure import Structure

CODES = {"KEPT": PASS, "BROKEN": REGRESSION, "UNPROVEN": INCONCLUSIVE}


def register(commands: Any) -> None:
    parser = commands.add_parser(STRUCTURE, help="what a call of a case executes, counted")
    parser.add_argument("case", metavar="CASE", help="MODEL/VARIANT/DEVICE/bN, as of a report")
    parser.add_argument(
        "--accept", action="store_true", help="write it into the file of accepted structures"
    )
    add(parser, STRUCTURE)
    parser.add_argument(
        "--verbose", action="store_true", help="print all counts, also where they are as accepted"
    )
    parser.add_argument("--json", type=path_of, metavar="FILE", help="also write all counts")
    parser.set_defaults(run=show_structure)


def show_structure(chosen: argparse.Namespace) -> int:
    """Prints how the counts differ from the accepted ones; before that all counts, where none are
    accepted for these conditions or --verbose asks for them. Returns 0 where they do not differ, or
    are accepted now; 1 where they do, and where a case that breaks its limits is to be accepted; 3
    where none are accepted."""
    from vitbench.judge.structures import compare, read, with_accepted
    from vitbench.report.files import write
    from vitbench.report.ignored import warning

    session, case = case_session(STRUCTURE, chosen)
    file = _file(case.id)
    known = read(file, case.id)  # a damaged file is told before anything is built
    if chosen.accept and (agreement := session.verify(case).agreement).state == "BROKEN":
        print(f"{agreement.sentence}: nothing is accepted, since its answers are wrong")
        return REGRESSION
    found = session.structure(case)
    if chosen.json:
        write(chosen.json, json.dumps(found.to_json(), indent=1) + "\n")
    compared = compare(found, file, case.id)
    if chosen.verbose or compared.state == "UNPROVEN":
        print("\n".join(_lines(found)))
    if not chosen.accept:
        print(f"{compared.state}: {compared.sentence}")
        return CODES[compared.state]
    for line in compared.lines:
        print(f"accepted: {line}")
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, with_accepted(known, found, case.id))
    print(f"{file}: written")
    if told := warning([file]):
        print(told)
    return PASS


def _file(case: str) -> Path:
    """That of the project's contract on the case, else one in reports/structure/."""
    from vitbench.judge.contracts import read_contracts, structure_file
    from vitbench.judge.structures import DEFAULT, file_of
    from vitbench.project.project import project_at
    from vitbench.pyproject import NAME

    root = project_at(Path.cwd()).root
    contracts = read_contracts(root / NAME) if (root / NAME).exists() else ()
    return structure_file(contracts, case) or root / file_of(DEFAULT, case)


def _lines(found: "Structure") -> list[str]:
    """The key, then a line for each count."""
    given = found.to_json()
    lines = [f"{name}: {_words(value)}" for name, value in given["key"].items()]
    for kind, counts in given["counters"].items():
        lines += [f"{kind}: {name}: {count:,}" for name, count in counts.items()]
    return lines


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return " ".join(value) if isinstance(value, list) else str(value)
