"""What `vitbench gate` does: judges a report, and writes what it found."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.folders import BASELINES, HISTORY
from vitbench.cli.latest import settle_report
from vitbench.cli.named import named_baseline, named_contracts
from vitbench.errors import UserError
from vitbench.judge.verdict import (
    INCONCLUSIVE,
    NOTHING_COMPARABLE,
    PASS,
    REGRESSION,
    USAGE,
    Verdict,
    exit_code,
)

if TYPE_CHECKING:
    from vitbench.gate.uncompared import Uncompared
    from vitbench.judge.contract_results import ContractResult
    from vitbench.judge.contracts import Contract

WORST_FIRST = (USAGE, REGRESSION, INCONCLUSIVE, NOTHING_COMPARABLE, PASS)


@dataclass(frozen=True)
class Compared:
    """A report compared with a baseline. `against`: the reports of the baseline in words.
    `nothing`: why nothing was compared. `problems`: a sentence for each file that could not be
    read. `code`: the exit code of these verdicts alone."""

    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    nothing: "Uncompared | None" = None
    problems: tuple[str, ...] = ()
    code: int = PASS


@dataclass(frozen=True)
class ByContracts:
    """A report judged by contracts. `notes`: what of it is not judged, and other remarks."""

    results: tuple["ContractResult", ...] = ()
    notes: tuple[str, ...] = ()


def run_gate(chosen: argparse.Namespace) -> int:
    """0 pass, 1 regression, drift or broken contract, 2 nothing was compared, 3 inconclusive, 4
    damaged input or an output that cannot be written; the worst of 4, 1, 3, 2 where several. Where
    it is a warning only that nothing was compared, that does not count. Where bad input ends it,
    the outputs say so too: nobody may take old ones for those of this run."""
    from vitbench.gate.uncompared import Uncompared

    try:
        return _gate(chosen)
    except UserError as error:
        nothing = Compared(nothing=Uncompared(str(error), True))
        _write(_outputs(chosen, nothing, ByContracts(), USAGE))
        raise


def _gate(chosen: argparse.Namespace) -> int:
    from vitbench.gate.uncompared import DAYS
    from vitbench.gate.unused_options import unused_options
    from vitbench.judge.contract_results import judge_contracts, unjudged_words
    from vitbench.judge.contracts import TOLERANCES
    from vitbench.judge.globs import check_globs
    from vitbench.judge.scope import known_variants
    from vitbench.project.project import project_at
    from vitbench.report.reader import read_report, run_of
    from vitbench.runtimes.catalogue import catalogue_of
    from vitbench.show.verdicts import verdicts_text

    if chosen.baseline == "":
        raise UserError("--baseline is empty: give a file, accepted, latest or median:N")
    strict = chosen.inconclusive == "fail"
    latest = settle_report(chosen)
    report = read_report(chosen.report)
    contracts = named_contracts(chosen.contracts)
    own = project_at(Path.cwd()).variants
    known = known_variants(report, catalogue_of(own).device_kinds())
    run = run_of(report)
    check_globs(contracts, known, run.models if run else {})
    compares = chosen.baseline or all(each.kind in TOLERANCES for each in contracts)
    given = {
        "--history": chosen.history != HISTORY and not latest,
        "--baselines": chosen.baselines != BASELINES,
        "--uncompared-days": chosen.uncompared_days != DAYS,
        "--rename": bool(chosen.rename),
    }
    unused = unused_options(given, (chosen.baseline or "accepted") if compares else None)
    compared = _compare(chosen, report, contracts, unused) if compares else Compared()
    results = tuple(judge_contracts(contracts, report, known, _process_spread(chosen)))
    by_contracts = ByContracts(results, (*unjudged_words(results), *(() if compares else unused)))
    if contracts:
        print(verdicts_text(results, by_contracts.notes, "contract"))

    states = {each.state for each in results}
    codes = [PASS, compared.code]
    codes += [REGRESSION] * ("BROKEN" in states)
    codes += [INCONCLUSIVE] * ("UNPROVEN" in states and strict)
    codes += [USAGE] * bool(compared.problems)
    code = min(codes, key=WORST_FIRST.index)
    unwritten = _write(_outputs(chosen, compared, by_contracts, code))
    for problem in (*compared.problems, *unwritten):
        print(f"vitbench: error: {problem}", file=sys.stderr)
    code = USAGE if unwritten else code
    if code == INCONCLUSIVE:
        print(
            "exit code 3: INCONCLUSIVE, MISSING and UNPROVEN fail the gate; "
            "with --inconclusive=pass they do not"
        )
    return code


def _compare(
    chosen: argparse.Namespace,
    report: dict[str, Any],
    contracts: Sequence["Contract"],
    unused: Sequence[str],
) -> Compared:
    """Compares the report with its baseline, and prints the verdicts."""
    from vitbench.gate.judgement import judge_report
    from vitbench.gate.rename import renames_of
    from vitbench.gate.times import Rules
    from vitbench.gate.uncompared import uncompared
    from vitbench.judge.contracts import tolerances
    from vitbench.judge.settings import read_settings
    from vitbench.show import verdicts as show

    renames = renames_of(chosen.rename, report)
    settings = read_settings(chosen.contracts or Path("pyproject.toml"))
    baseline = named_baseline(chosen, report, renames)
    against = "against" if baseline.reports else "has nothing to be compared with:"
    print(f"{chosen.report} {against} {baseline.words}")
    rules = Rules(
        chosen.tolerance,
        _process_spread(chosen),
        lambda case: tolerances(contracts, case),
        chosen.size_tolerance,
        lambda case: tolerances(contracts, case, "size_tolerance"),
    )
    judgement = judge_report(report, baseline.reports, rules, baseline.count, baseline.anchors)
    verdicts, notes = tuple(judgement.verdicts), (*judgement.notes, *unused)
    nothing = uncompared(report, verdicts, baseline, settings.history_since, chosen.uncompared_days)
    code = exit_code(verdicts, chosen.inconclusive == "fail")
    if nothing and not nothing.fails and code == NOTHING_COMPARABLE:
        code = PASS
    print(show.verdicts_text(verdicts, notes))
    if nothing:
        print(show.nothing_words(nothing))
    words = (f"compared with {baseline.words}",) if baseline.reports else ()
    return Compared(verdicts, notes, words, nothing, tuple(baseline.problems), code)


def _process_spread(chosen: argparse.Namespace) -> float:
    from vitbench.judge.change import PROCESS_SPREAD

    return PROCESS_SPREAD if chosen.process_spread is None else float(chosen.process_spread)


def _outputs(
    chosen: argparse.Namespace, compared: Compared, by_contracts: ByContracts, code: int
) -> list[tuple[Path | None, str]]:
    """What goes into which file; prints the annotations where GitHub reads them. `code` is the exit
    code of the whole."""
    from vitbench.show import verdicts as show
    from vitbench.show.headline import headline

    verdicts, nothing, results = compared.verdicts, compared.nothing, by_contracts.results
    notes = [*compared.notes, *compared.problems]
    said = [*compared.against, *notes, *by_contracts.notes]
    both: list[show.Judged] = [*verdicts, *results]
    strict = chosen.inconclusive == "fail"
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for annotation in show.annotations(both, strict, nothing):
            print(annotation)
    against = ", ".join(compared.against) or ("judged by contracts" if results else "not compared")
    if nothing and code == PASS and not results:
        code = NOTHING_COMPARABLE  # it only warns, but nothing has passed
    head = headline(code, f"{chosen.report} {against}", verdicts)
    pages = [show.headline_words(head, verdicts or results, "case" if verdicts else "contract")]
    pages += [show.nothing_words(nothing, markup=True)] if nothing else []
    pages += [show.markdown(verdicts, notes)] * bool(verdicts or notes)
    pages += [show.markdown(results, by_contracts.notes, "contract")] * bool(results)
    return [
        (chosen.markdown, "\n\n".join(page.rstrip("\n") for page in pages) + "\n"),
        (chosen.junit, show.junit(both, strict, nothing=nothing)),
        (chosen.json, show.verdicts_json(both, said, nothing)),
    ]


def _write(outputs: Sequence[tuple[Path | None, str]]) -> list[str]:
    """Writes what was asked for; a sentence for each that could not be written."""
    from vitbench.report.files import write

    problems = []
    for path, text in outputs:
        try:
            if path:
                write(path, text)
        except UserError as error:
            problems.append(str(error))
    return problems
