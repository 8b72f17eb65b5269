"""What the commands of many hosts have in common: their options, and a run from plan to end."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.folders import REPORTS
from vitbench.cli.option import positive
from vitbench.cli.options import options_of
from vitbench.cli.parsing import checked, path_of
from vitbench.errors import UserError, counted

if TYPE_CHECKING:
    from vitbench.fleet.plan import FleetPlan
    from vitbench.fleet.receipts import Receipts
    from vitbench.fleet.reports import HostReport
    from vitbench.fleet.run import FleetState

RUNS = REPORTS / "fleet"


@dataclass(frozen=True)
class FleetEnd:
    """How a run ended, and the reports of it. `built` and `taken` count artifacts."""

    end: "FleetState"
    reports: "Sequence[HostReport]"
    receipts: "Receipts"
    built: int
    taken: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every run of many hosts."""
    own = parser.add_argument
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


def play(
    chosen: argparse.Namespace,
    arguments: Sequence[str],
    write_reports: "Callable[[Receipts], Sequence[HostReport]]",
    shard_images: int = 0,
) -> FleetEnd:
    """Plan or resume a run with these options of pytest, and measure what is open. Reports are
    written however it ends. Raises UserError for bad input."""
    from vitbench.fleet.live import view
    from vitbench.fleet.plan import FleetPlan
    from vitbench.fleet.ray_hosts import RayHosts
    from vitbench.fleet.ray_nodes import FleetSettings
    from vitbench.fleet.receipts import Receipts
    from vitbench.fleet.run import run_plan

    for name in ("case_minutes", "wait_minutes"):
        positive(f"--{name.replace('_', '-')}", getattr(chosen, name))
    receipts = Receipts(_folder(chosen), say)
    with receipts.alone():
        plan = _plan(chosen, receipts, arguments, shard_images > 0)
        settings = FleetSettings(
            chosen.address,
            os.getcwd(),
            plan.arguments if plan else tuple(arguments),
            tuple(chosen.hosts),
            chosen.allow_mix,
            chosen.case_minutes * 60,
            shard_images > 0,
        )
        hosts = RayHosts(settings, say)
        try:
            classes = hosts.gather(plan)
            plan = plan or FleetPlan(settings.arguments, (), shard_images, hosts.nodes.images)
            plan = plan.joined(classes)
            receipts.keep_plan(plan)
            _begin(plan, receipts)
            with view(hosts.phases) as seen:
                hosts.nodes.say = seen.say
                end = run_plan(receipts, plan, hosts, chosen.wait_minutes * 60, seen.say, seen.show)
        finally:
            hosts.close()
            reports = write_reports(receipts)
    return FleetEnd(end, reports, receipts, hosts.built, hosts.taken)


def option_words(command: str, chosen: argparse.Namespace) -> list[str]:
    """The options of a command, as pytest takes them. Raises UserError for a bad value."""
    given: Mapping[str, Any] = checked(command, vars(chosen))
    words: list[str] = []
    for option in options_of(command):
        value = given[option.dest]
        if option.dest == "reports" or value == option.empty:
            continue
        name = f"--vitbench-{option.name[2:]}"
        if option.flag:
            words.append(name)
        else:
            words += [f"{name}={each}" for each in (value if option.repeatable else [value])]
    return words


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
    chosen: argparse.Namespace, receipts: "Receipts", arguments: Sequence[str], in_parts: bool
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
    if in_parts != bool(plan.shard_images):
        other = "run" if in_parts else "verify"
        raise UserError(f"--resume: {folder} has a run of `vitbench fleet {other}`: resume that")
    if arguments and tuple(arguments) != plan.arguments:
        raise UserError(
            f"--resume: the run in {folder} has the options {' '.join(plan.arguments) or 'none'}: "
            "leave the options out, or begin a new run without --resume"
        )
    return plan


def _begin(plan: "FleetPlan", receipts: "Receipts") -> None:
    from vitbench.fleet.parts import steps

    tasks = steps(plan)
    what = "cases and parts of cases" if plan.shard_images else "cases"
    left = sum(task not in receipts.found for task in tasks)
    say(f"{left} of {len(tasks)} {what} are to be measured, in {receipts.folder}")
    for each in plan.classes:
        say(f"class {each.key[:8]}: {each.name}: {counted(len(each.cases), 'case')}")


def say(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)
