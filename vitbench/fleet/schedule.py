"""Which case a host takes next, and why a case has no receipt: pure functions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from vitbench.errors import some
from vitbench.fleet.plan import FleetPlan, Task
from vitbench.fleet.receipts import Attempt

MOST_ATTEMPTS = 3
"""So often a case is given to hosts in one run before it counts as lost."""


@dataclass(frozen=True)
class Host:
    """A host that takes cases. `physical` names the machine that it runs on: hosts that share one
    never run side by side. `built`: what it has measured, as `Task.variant`."""

    name: str
    host_class: str
    physical: str
    built: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True)
class Assignment:
    """A case that a host was given."""

    host: Host
    task: Task


Tries = Mapping[Task, Sequence[Attempt]]
"""The attempts of this run that ended without a receipt."""


def placements(
    open_tasks: Sequence[Task], hosts: Sequence[Host], running: Sequence[Assignment], tries: Tries
) -> list[Assignment]:
    """What is to be begun now: a case for each host that is idle and has one left.

    A host goes on with the variant that it has built; else it takes one that no other host is at.
    A case that ended without a receipt on a host goes to another one of the class that is there.
    """
    begun: list[Assignment] = []
    for host in hosts:
        now = [*running, *begun]
        if any(host.physical == each.host.physical or host.name == each.host.name for each in now):
            continue
        if task := _best(host, open_tasks, hosts, {each.task for each in now}, tries):
            begun.append(Assignment(host, task))
    return begun


def _best(
    host: Host,
    open_tasks: Sequence[Task],
    hosts: Sequence[Host],
    taken: Collection[Task],
    tries: Tries,
) -> Task | None:
    elsewhere = {(each.host_class, each.variant) for each in taken}
    fit = [
        task
        for task in open_tasks
        if task.host_class == host.host_class
        and task not in taken
        and not exhausted(task, tries)
        and not _for_another(task, host, hosts, tries)
    ]

    def rank(task: Task) -> tuple[bool, bool]:
        return (task.variant not in host.built, (task.host_class, task.variant) in elsewhere)

    return min(fit, key=rank, default=None)


def exhausted(task: Task, tries: Tries) -> bool:
    """Whether no host is given the case any more."""
    return len(tries.get(task, ())) >= MOST_ATTEMPTS


def _for_another(task: Task, host: Host, hosts: Sequence[Host], tries: Tries) -> bool:
    """Whether the host has failed with the case, and another one of its class has not."""
    tried = {each.host for each in tries.get(task, ())}
    others = {each.name for each in hosts if each.host_class == host.host_class}
    return host.name in tried and bool(others - tried)


def why_lost(
    task: Task, plan: FleetPlan, attempts: Sequence[Attempt], left_out: Sequence[str]
) -> str:
    """Why a case has no receipt. `attempts` are those without one; `left_out` has a sentence on
    each host that takes no case."""
    told = "; ".join(dict.fromkeys(each.words for each in attempts))
    if len(attempts) >= MOST_ATTEMPTS:
        return told
    known = plan.class_of(task.host_class)
    name = known.name if known else task.host_class
    out = f" ({some(list(left_out))})" if left_out else ""
    return f"no host of the class {name} is left{out}" + (f"; {told}" if told else "")
