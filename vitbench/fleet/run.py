"""The loop of a run of many hosts: cases to hosts, receipts from them, until nothing is open."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vitbench.fleet.parts import files_for, ready, spent, why_incomplete
from vitbench.fleet.plan import FleetPlan, HostClass, Task
from vitbench.fleet.receipts import STATES, Attempt, Receipt, Receipts, part_file
from vitbench.fleet.schedule import Assignment, Host, exhausted, placements, why_lost

LOOK_SECONDS = 1.0
"""So long the loop waits for a case that ends before it looks at the hosts again."""


@dataclass(frozen=True)
class Outcome:
    """A case that a host was given has ended. `state`: one of STATES, with the `report`; or "" and
    `why` there is none. `phase`: what the host did last. One that was not `begun` is no attempt of
    those that a case has. `data`: the file of a part."""

    host: str
    task: Task
    state: str = ""
    why: str = ""
    phase: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    begun: bool = True
    data: bytes = b""


class Hosts(Protocol):
    """The hosts that there are, and what they do."""

    def look(self) -> tuple[Sequence[Host], Sequence[HostClass]]:
        """The hosts that take cases, idle or not, and the classes of all that were seen."""

    def left_out(self) -> Sequence[str]:
        """A sentence on each host that takes no case."""

    def start(self, given: Assignment, files: Mapping[str, Path]) -> None:
        """Begin a case, which needs these files of parts, by their places below a folder of shards.
        That it cannot begin is an Outcome of it."""

    def ended(self, seconds: float) -> Iterable[Outcome]:
        """The cases that ended; waits at most so long for one."""


@dataclass(frozen=True)
class FleetState:
    """Where a run is. `lost`: the reason by case, when the run is over."""

    plan: FleetPlan
    hosts: Sequence[Host]
    running: Sequence[Assignment]
    receipts: Mapping[Task, Receipt]
    lost: Mapping[Task, str] = field(default_factory=dict)


def run_plan(
    receipts: Receipts,
    plan: FleetPlan,
    hosts: Hosts,
    wait_seconds: float,
    say: Callable[[str], None],
    show: Callable[[FleetState], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> FleetState:
    """Measure what of a plan is open, and return when each case has a receipt or is lost.

    A case is lost that was given to hosts as often as it may be, and one that has no host of its
    class `wait_seconds` after the last other case ended. The class of a host that joins late joins
    the plan.
    """
    tries: dict[Task, list[Attempt]] = {}
    running: list[Assignment] = []
    idle_since: float | None = None
    while True:
        there, classes = hosts.look()
        if (wider := plan.joined(classes)) != plan:
            plan = wider
            receipts.keep_plan(plan)
        open_tasks = ready(plan, receipts.found, lambda task: exhausted(task, tries))
        for given in placements(open_tasks, there, running, tries):
            receipts.begin(given.task, given.host.name)
            running.append(given)
            parts = files_for(plan, given.task, receipts.found)
            hosts.start(given, {part_file(each): receipts.file(each) for each in parts})
        show(FleetState(plan, there, tuple(running), receipts.found))
        if running:
            idle_since = None
        elif all(exhausted(task, tries) for task in open_tasks):
            break
        else:
            idle_since = clock() if idle_since is None else idle_since
            if clock() - idle_since >= wait_seconds:
                break
        for each in hosts.ended(LOOK_SECONDS):
            running = [g for g in running if (g.host.name, g.task) != (each.host, each.task)]
            if (attempt := _settle(each, receipts, say)) and each.begun:
                tries.setdefault(each.task, []).append(attempt)
        for task in spent(plan, receipts.found):
            receipts.drop(task)

    def why(task: Task) -> str:
        return why_lost(task, plan, tries.get(task, ()), hosts.left_out())

    left = [task for task in plan.tasks() if task not in receipts.found]
    lost = {task: why_incomplete(plan, task, receipts.found, why) for task in left}
    return FleetState(plan, there, (), receipts.found, lost)


def _settle(ended: Outcome, receipts: Receipts, say: Callable[[str], None]) -> Attempt | None:
    """Write what came of a case. Returns the attempt where that was no receipt."""
    why = "" if ended.state in STATES else ended.why or "nobody knows why"
    receipt = Receipt(ended.task, ended.state, ended.host, ended.report, ended.why)
    if not why:
        why = receipts.contradiction(receipt)
    attempt = receipts.end(ended.task, ended.host, ended.phase, why)
    if not why:
        if receipts.keep(receipt, ended.data):
            words = f": {ended.why}" if ended.why else ""
            say(f"{ended.host}: {ended.task} {ended.state}{words}")
        else:
            say(f"{ended.host}: {ended.task} has a receipt already: this one does not count")
        return None
    if attempt is None:
        return None
    say(f"{ended.task} has no receipt of {attempt.words}")
    return attempt
