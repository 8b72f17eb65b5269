"""`vitbench fleet run`: the cases of the suite on each host class of a Ray cluster."""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.folders import HISTORY, REPORTS
from vitbench.cli.option import positive
from vitbench.cli.options import FLEET, options_of
from vitbench.cli.parsing import add, checked, path_of
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.fleet.plan import FleetPlan
    from vitbench.fleet.receipts import Receipts

RUNS = REPORTS / "fleet"


def register(commands: Any, name: str) -> None:
    run = commands.add_parser(name, help="the cases of the suite on each class of hosts")
    own = run.add_argument
    own("tests", nargs="*", metavar="PATH", help="tests of the suite (default: all)")
    own("--pyargs", action="store_true", help="each PATH is a module, as pytest's --pyargs")
    own("-k", metavar="EXPR", help="which tests, as pytest's -k")
    own(
        "--address",
        default="auto",
        metavar="HOST:PORT",
        help="the head of the Ray cluster (default: auto, the one that runs on this machine)",
    )
    own(
        "--hosts",
        action="append",
        default=[],
        metavar="GLOB",
        help="these hosts alone; repeatable",
    )
    own(
        "--allow-mix",
        action="store_true",
        help="hosts with other versions are classes of their own (default: an error)",
    )
    own(
        "--receipts",
        type=path_of,
        metavar="DIR",
        help=f"the plan and a receipt for each case (default: a new folder in {RUNS})",
    )
    own(
        "--resume",
        action="store_true",
        help=f"go on with the run of --receipts (default: the newest one in {RUNS})",
    )
    own(
        "--case-minutes",
        type=float,
        default=60.0,
        metavar="M",
        help="a case that takes longer on a host is ended there (default: 60)",
    )
    own(
        "--wait-minutes",
        type=float,
        default=2.0,
        metavar="M",
        help="so long, at the end, cases wait for a host of their class (default: 2)",
    )
    add(run, FLEET)
    run.set_defaults(run=run_fleet)


def run_fleet(chosen: argparse.Namespace) -> int:
    """Measures each case on each class, writes a report for each host and prints one table. Returns
    1 where a case failed or is lost."""
    from vitbench.fleet.live import view
    from vitbench.fleet.plan import FleetPlan
    from vitbench.fleet.ray_hosts import RayHosts
    from vitbench.fleet.ray_nodes import FleetSettings
    from vitbench.fleet.receipts import FAILED, Receipts
    from vitbench.fleet.reports import report_words, write_reports
    from vitbench.fleet.run import run_plan
    from vitbench.fleet.slow import slow_words
    from vitbench.fleet.table import fleet_text

    for name in ("case_minutes", "wait_minutes"):
        positive(f"--{name.replace('_', '-')}", getattr(chosen, name))
    arguments, reports = arguments_of(chosen), Path(chosen.reports or HISTORY)
    receipts = Receipts(_folder(chosen), _say)
    with receipts.alone():
        plan = _plan(chosen, receipts, arguments)
        settings = FleetSettings(
            chosen.address,
            os.getcwd(),
            plan.arguments if plan else arguments,
            tuple(chosen.hosts),
            chosen.allow_mix,
            chosen.case_minutes * 60,
        )
        hosts = RayHosts(settings, _say)
        try:
            classes = hosts.gather(plan)
            plan = (plan or FleetPlan(arguments, ())).joined(classes)
            receipts.keep_plan(plan)
            _begin(plan, receipts)
            with view(hosts.phases) as seen:
                hosts.nodes.say = seen.say
                end = run_plan(receipts, plan, hosts, chosen.wait_minutes * 60, seen.say, seen.show)
        finally:
            hosts.close()
            written = write_reports(receipts, reports)
    print(fleet_text(end.plan, end.receipts, end.lost, written))
    print(f"artifacts: {hosts.built} built, {hosts.taken} taken from another host of the class")
    told = [*slow_words(end.plan, end.receipts), *report_words(end.plan, written)]
    print(*told, f"receipts: {receipts.folder}", sep="\n")
    if end.lost:
        print(f"{len(end.lost)} cases are lost: `vitbench fleet run --resume` tries them again")
    failed = any(each.state == FAILED for each in end.receipts.values())
    return BROKEN if end.lost or failed or any(each.wrong for each in written) else OK


def arguments_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    """The tests and options of the run, as pytest on a host takes them. Raises UserError for a bad
    value."""
    given: Mapping[str, Any] = checked(FLEET, vars(chosen))
    words = [*(["--pyargs"] if chosen.pyargs else []), *chosen.tests]
    words += ["-k", chosen.k] if chosen.k else []
    for option in options_of(FLEET):
        value = given[option.dest]
        if option.dest == "reports" or value == option.empty:
            continue
        name = f"--vitbench-{option.name[2:]}"
        if option.flag:
            words.append(name)
        else:
            words += [f"{name}={each}" for each in (value if option.repeatable else [value])]
    return tuple(words)


def _folder(chosen: argparse.Namespace) -> Path:
    """Where the receipts of this run are. Raises UserError where there is no run to resume."""
    if chosen.receipts:
        return Path(chosen.receipts)
    if not chosen.resume:
        return RUNS / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    runs = sorted(each.parent for each in RUNS.glob("*/plan.json"))
    if not runs:
        raise UserError(f"--resume: there is no run in {RUNS}: name its folder by --receipts=DIR")
    return runs[-1]


def _plan(
    chosen: argparse.Namespace, receipts: "Receipts", arguments: Sequence[str]
) -> "FleetPlan | None":
    """The plan that is resumed; None for a new run. Raises UserError where the folder has another
    run, or none."""
    plan, folder = receipts.plan(), receipts.folder
    if plan is None:
        if chosen.resume:
            raise UserError(f"--resume: {folder} has no plan of a run: leave --resume out")
        return None
    if not chosen.resume:
        raise UserError(
            f"{folder} has a run already: go on with it by --resume, or give another --receipts=DIR"
        )
    if arguments and tuple(arguments) != plan.arguments:
        raise UserError(
            f"--resume: the run in {folder} has the options {' '.join(plan.arguments) or 'none'}: "
            "leave the options out, or begin a new run without --resume"
        )
    return plan


def _begin(plan: "FleetPlan", receipts: "Receipts") -> None:
    tasks = [*plan.tasks()]
    left = sum(task not in receipts.found for task in tasks)
    _say(f"{left} of {len(tasks)} cases are to be measured, in {receipts.folder}")
    for each in plan.classes:
        _say(f"class {each.key[:8]}: {each.name}: {len(each.cases)} cases")


def _say(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)
