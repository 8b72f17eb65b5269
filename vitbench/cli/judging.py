"""What `vitbench gate` does: judges a report, and writes what it found."""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.folders import BASELINES, HISTORY
from vitbench.cli.latest import settle_report
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
    from vitbench.gate.baseline import Baseline
    from vitbench.gate.uncompared import Uncompared
    from vitbench.judge.contract_results import ContractResult

WORST_FIRST = (USAGE, REGRESSION, INCONCLUSIVE, NOTHING_COMPARABLE, PASS)


def run_gate(chosen: argparse.Namespace) -> int:
    """0 pass, 1 regression, drift or broken contract, 2 nothing was compared, 3 inconclusive, 4
    damaged input or an output that cannot be written; the worst of 4, 1, 3, 2 where several. Where
    it is a warning only that nothing was compared, that does not count. Where bad input ends it,
    the outputs say so too: nobody may take old ones for those of this run."""
    from vitbench.gate.uncompared import Uncompared

    try:
        return _gate(chosen)
    except UserError as error:
        _write(_outputs(chosen, (), (), (), (), Uncompared(str(error), True)))
        raise


def _gate(chosen: argparse.Namespace) -> int:
    from vitbench.gate.judgement import judge_report
    from vitbench.gate.rename import renames_of
    from vitbench.gate.times import Rules
    from vitbench.gate.uncompared import DAYS, Uncompared, uncompared
    from vitbench.gate.unused_options import unused_options
    from vitbench.judge.change import PROCESS_SPREAD
    from vitbench.judge.contract_results import judge_contracts, unjudged_words
    from vitbench.judge.contracts import TOLERANCES, read_contracts, tolerances
    from vitbench.judge.globs import check_globs
    from vitbench.judge.scope import known_variants
    from vitbench.judge.settings import read_settings
    from vitbench.report.reader import read_report
    from vitbench.runtimes.catalogue import device_kinds
    from vitbench.show import verdicts as show

    if chosen.baseline == "":
        raise UserError("--baseline is empty: give a file, accepted, latest or median:N")
    strict = chosen.inconclusive == "fail"
    process_spread = PROCESS_SPREAD if chosen.process_spread is None else chosen.process_spread
    looked = settle_report(chosen)
    report = read_report(chosen.report)
    contracts = read_contracts(chosen.contracts) if chosen.contracts else ()
    if chosen.contracts and not contracts:
        raise UserError(
            f"{chosen.contracts}: it has no [tool.vitbench.contracts]: write into it what must "
            "hold (docs/gate.md, Contracts of a project), or leave --contracts out"
        )
    known = known_variants(report, device_kinds())
    check_globs(contracts, known, report.get("vitbench", {}).get("models", {}))
    found: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    nothing: Uncompared | None = None
    problems: list[str] = []
    codes, held = [PASS], list[str]()
    compares = chosen.baseline or all(each.kind in TOLERANCES for each in contracts)
    given = {
        "--history": chosen.history != HISTORY and not looked,
        "--baselines": chosen.baselines != BASELINES,
        "--uncompared-days": chosen.uncompared_days != DAYS,
        "--rename": bool(chosen.rename),
    }
    idle = unused_options(given, (chosen.baseline or "accepted") if compares else None)
    if compares:
        renames = renames_of(chosen.rename, report)
        settings = read_settings(chosen.contracts or Path("pyproject.toml"))
        baseline = _baseline(chosen, report, renames)
        problems += baseline.problems
        against = "against" if baseline.reports else "has nothing to be compared with:"
        print(f"{chosen.report} {against} {baseline.words}")
        rules = Rules(
            chosen.tolerance,
            process_spread,
            lambda case: tolerances(contracts, case),
            chosen.size_tolerance,
            lambda case: tolerances(contracts, case, "size_tolerance"),
        )
        judgement = judge_report(report, baseline.reports, rules, baseline.count, baseline.anchors)
        found, notes = judgement.verdicts, (*judgement.notes, *idle)
        held = [f"compared with {baseline.words}"] * bool(baseline.reports)
        nothing = uncompared(
            report, found, baseline, settings.history_since, chosen.uncompared_days
        )
        codes.append(exit_code(found, strict))
        if nothing and not nothing.fails and codes[-1] == NOTHING_COMPARABLE:
            codes[-1] = PASS
        print(show.verdicts_text(found, notes))
        if nothing:
            print(show.nothing_words(nothing))
    results = judge_contracts(contracts, report, known, process_spread)
    apart = [*unjudged_words(results), *([] if compares else idle)]
    if contracts:
        print(show.verdicts_text(results, apart, "contract"))
    states = {each.state for each in results}
    codes += [REGRESSION] * ("BROKEN" in states)
    codes += [INCONCLUSIVE] * ("UNPROVEN" in states and strict)

    problems += _write(_outputs(chosen, found, [*held, *notes, *problems], results, apart, nothing))
    for problem in problems:
        print(f"vitbench: error: {problem}", file=sys.stderr)
    codes += [USAGE] * bool(problems)
    code = min(codes, key=WORST_FIRST.index)
    if code == INCONCLUSIVE:
        print(
            "exit code 3: INCONCLUSIVE, MISSING and UNPROVEN fail the gate; "
            "with --inconclusive=pass they do not"
        )
    return code


def _outputs(
    chosen: argparse.Namespace,
    found: Sequence[Verdict],
    notes: Sequence[str],
    results: Sequence["ContractResult"],
    apart: Sequence[str],
    nothing: "Uncompared | None",
) -> list[tuple[Path | None, str]]:
    """What goes into which file; prints the annotations where GitHub reads them."""
    from vitbench.show import verdicts as show

    both: list[show.Judged] = [*found, *results]
    strict = chosen.inconclusive == "fail"
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for annotation in show.annotations(both, strict, nothing):
            print(annotation)
    pages = [show.nothing_words(nothing, markup=True)] if nothing else []
    pages += [show.markdown(found, notes)] * bool(found or notes)
    pages += [show.markdown(results, apart, "contract")] * bool(results)
    return [
        (chosen.markdown, "\n".join(pages)),
        (chosen.junit, show.junit(both, strict, nothing=nothing)),
        (chosen.json, show.verdicts_json(both, [*notes, *apart], nothing)),
    ]


def _baseline(
    chosen: argparse.Namespace, report: Mapping[str, Any], renames: Mapping[str, str]
) -> "Baseline":
    from vitbench.gate.baseline import accepted, named
    from vitbench.gate.history_baseline import from_history

    wanted = chosen.baseline or "accepted"
    if wanted == "accepted":
        return accepted(report, str(chosen.report), chosen.baselines, renames)
    if wanted == "latest":
        return from_history(report, chosen.report, chosen.history, 1, renames, chosen.baselines)
    if wanted.startswith("median:"):
        if not re.fullmatch(r"median:[1-9]\d{0,3}", wanted):
            raise UserError(f"--baseline={wanted}: give a number of reports, such as median:10")
        count = int(wanted[7:])
        return from_history(report, chosen.report, chosen.history, count, renames, chosen.baselines)
    if not Path(wanted).exists():
        raise UserError(
            f"--baseline={wanted}: no such file: give a report, accepted, latest or median:10"
        )
    return named(report, chosen.report, Path(wanted), renames)


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
