"""The commands `duet` and `calibrate`."""

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.session import add_model, session_of
from vitbench.errors import UserError
from vitbench.judge.contracts import idle_tolerances, own_tolerances, read_promises
from vitbench.judge.globs import check_globs
from vitbench.judge.verdict import NOTHING, NOTHING_COMPARABLE, PASS, exit_code
from vitbench.report.files import write
from vitbench.runtimes.catalogue import cases, device_kinds, select

if TYPE_CHECKING:
    from vitbench.case import Case
    from vitbench.measure.options import Options


def register(commands: Any) -> None:
    """Register both with the parser's subcommands."""
    duet = commands.add_parser("duet", help="latency against another revision or environment")
    duet.add_argument("--against", required=True, metavar="REV|ENV|PATH",
                      help="a git revision, another environment or another checkout")  # fmt: skip
    _add_cases(duet)
    duet.add_argument("--tolerance", type=float, default=0.03, metavar="SHARE",
                      help="the change that matters (default: 0.03, which is 3 %%)")  # fmt: skip
    duet.add_argument("--blocks-max", type=int, default=20, metavar="N",
                      help="at most this many blocks of fresh processes (default: 20)")  # fmt: skip
    duet.add_argument("--minutes", type=float, default=10.0, metavar="M",
                      help="begin no block that would end later (default: 10)")  # fmt: skip
    duet.add_argument("--inconclusive", choices=["fail", "pass"], default="fail",
                      help="whether what could not be decided fails (default: fail)")  # fmt: skip
    duet.add_argument("--json", type=Path, metavar="FILE", help="verdicts and blocks")
    duet.add_argument("--markdown", type=Path, metavar="FILE", help="for a pull request")
    duet.add_argument("--junit", type=Path, metavar="FILE", help="for a CI's test report")
    duet.set_defaults(run=play)

    calibrate = commands.add_parser("calibrate", help="what the gate can see on this machine")
    calibrate.add_argument("--minutes", type=float, default=30.0, metavar="M",
                           help="0 judges what is recorded already")  # fmt: skip
    _add_cases(calibrate)
    calibrate.add_argument("--tolerance", type=float, default=0.03, metavar="SHARE")
    calibrate.add_argument("--blocks-max", type=int, default=20, metavar="N")
    calibrate.add_argument("-o", "--output", type=Path, metavar="FILE",
                           default=Path("reports/calibrations/here.json"))  # fmt: skip
    calibrate.add_argument("--plot", type=Path, metavar="FILE", help="also write an HTML page")
    calibrate.set_defaults(run=calibrate_gate)


def _add_cases(command: argparse.ArgumentParser) -> None:
    add_model(command)
    command.add_argument("--variant", action="append", metavar="GLOB", default=[],
                         help="which variants (default: duet all, calibrate six)")  # fmt: skip
    command.add_argument("--batch", action="append", type=int, metavar="N", default=[],
                         help="batch sizes (default: 1); repeatable")  # fmt: skip
    command.add_argument("--images", type=Path, metavar="DIR", help="verify on these images")
    command.add_argument("--verify-images", type=int, default=512, metavar="N",
                         help="verify on at most this many images (default: 512)")  # fmt: skip
    command.add_argument("--seconds", type=float, default=3.0, metavar="S",
                         help="time for the rounds of a case in a block (default: 3)")  # fmt: skip


def play(chosen: argparse.Namespace) -> int:
    """Base and head side by side. Returns 1 for a regression or drift, 3 where it cannot tell, 2
    where nothing was compared."""
    from vitbench.duet.play import Duet, Progress
    from vitbench.duet.rule import Rule
    from vitbench.duet.sides import base, head
    from vitbench.measure.options import check_counts, check_share
    from vitbench.measure.throttled import Throttling
    from vitbench.show.verdicts import annotations, junit, markdown, text

    check_share(tolerance=chosen.tolerance)
    check_counts(blocks_max=chosen.blocks_max, minutes=chosen.minutes)
    options, found = _chosen(chosen, [])
    rule = Rule(chosen.tolerance, chosen.blocks_max, own=_own(found))
    strict = chosen.inconclusive == "fail"

    def content(progress: Progress, verdicts: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "against": chosen.against,
            "base": other.label,
            "notes": other.notes,
            "tolerance": rule.tolerance,
            "planned": rule.planned,
            "versions": progress.versions,
            "waited_seconds": progress.waited_seconds,
            "verdicts": verdicts,
            "blocks": {
                case: [asdict(block) for block in blocks]
                for case, blocks in progress.blocks.items()
            },
            "outputs": progress.outputs,
        }

    def keep(progress: Progress) -> None:
        """After each block: what is known survives. A full disk stops no measurement."""
        if chosen.json:
            try:
                write(chosen.json, json.dumps(content(progress, [])))
            except UserError as error:
                _say(str(error))

    with base(chosen.against, Path.cwd()) as other:
        duet = Duet({"base": other, "head": head()}, options, _say)
        throttling = Throttling()
        verdicts = duet.run(found, rule, chosen.minutes, keep)
    notes = [*other.notes, *throttling.notes()]
    code = exit_code(verdicts, strict)
    print(text(verdicts, notes))
    if code == NOTHING_COMPARABLE:
        print(f"{NOTHING}: exit code {code}")
    if chosen.json:
        rows = [verdict.to_json() for verdict in verdicts]
        write(chosen.json, json.dumps(content(duet.progress, rows)))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print(*annotations(verdicts, strict), sep="\n")
        if code == NOTHING_COMPARABLE:
            print(f"::error title=vitbench duet::{NOTHING}")
    for path, words in (
        (chosen.markdown, markdown(verdicts, notes)),
        (chosen.junit, junit(verdicts, strict, "duet")),
    ):
        if path:
            write(path, words)
    return code


def _own(found: "list[Case]") -> dict[str, float]:
    """The tolerances that the pyproject.toml of the working directory sets for single cases."""
    path = Path("pyproject.toml")
    if not path.exists():
        return {}
    promises, names = read_promises(path), [case.id for case in found]
    check_globs(promises, device_kinds(), [case.model for case in found])
    for words in idle_tolerances(promises, names):
        _say(f"{path}: {words}")
    return own_tolerances(promises, names)


def calibrate_gate(chosen: argparse.Namespace) -> int:
    """Record blocks of this checkout against itself, and say what the gate makes of them."""
    from vitbench.duet.aa_run import summarize
    from vitbench.duet.calibrate import VARIANTS, read_recording, record
    from vitbench.duet.rule import Rule
    from vitbench.measure.options import check_counts, check_share
    from vitbench.show.aa_run import plot, text

    if chosen.minutes < 0:
        raise UserError(f"--minutes {chosen.minutes:g}: must be 0 or more")
    check_share(tolerance=chosen.tolerance)
    check_counts(blocks_max=chosen.blocks_max)
    if chosen.minutes:
        options, found = _chosen(chosen, list(VARIANTS))
        recording = record(options, found, chosen.minutes, chosen.output, _say)
    else:
        recording = read_recording(chosen.output)
    summary = summarize(recording, Rule(chosen.tolerance, chosen.blocks_max))
    write(chosen.output, json.dumps({**recording, "summary": summary}))
    print(text(summary))
    if chosen.plot:
        plot(summary, chosen.plot)
    return PASS


def _chosen(chosen: argparse.Namespace, variants: list[str]) -> "tuple[Options, list[Case]]":
    """The options and the cases that a command names; `variants` where it names none."""
    from vitbench.measure.options import check_counts

    check_counts(seconds=chosen.seconds, verify_images=chosen.verify_images)
    options = replace(session_of(chosen).options, seconds=chosen.seconds)
    globs = chosen.variant or variants
    rows = select(globs, "fp32")
    for batch in chosen.batch:
        check_counts(batch=batch)
    names = [spec.name for spec in options.models]
    return options, cases(names, rows, ("cpu",), chosen.batch or (1,))


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr)
