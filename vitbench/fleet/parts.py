"""A verification in parts: which can begin, which files one needs, and why a case is incomplete.

First the outputs of the agreement reference, then what each case answers beside them, part by part;
then each case is merged from its parts, and timed. Pure functions of the plan and the receipts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vitbench.case import Case
from vitbench.errors import some
from vitbench.fleet.plan import FleetPlan, HostClass, Span, Task
from vitbench.fleet.receipts import MEASURED, Receipt
from vitbench.measure.shard_folder import COUNTS, LOGITS
from vitbench.measure.shards import shards_of

Found = Mapping[Task, Receipt]


@dataclass(frozen=True)
class Needs:
    """What the case of a task needs of parts: the `logits` of its agreement reference, its own
    `counts`, and those `besides` of the reference that it is timed with."""

    logits: tuple[Task, ...]
    counts: tuple[Task, ...]
    besides: tuple[Task, ...]

    @property
    def all(self) -> tuple[Task, ...]:
        return tuple(dict.fromkeys((*self.logits, *self.counts, *self.besides)))


def needs(plan: FleetPlan, known: HostClass, case: str) -> Needs:
    """Of a case of a class."""
    whole = Case.parse(case)
    parts = shards_of(known.images, whole.batch, plan.shard_images)

    def tasks(of: Case, kind: str) -> tuple[Task, ...]:
        return tuple(Task(known.key, of.id, Span(kind, p.start, p.stop).name) for p in parts)

    beside = replace(whole, variant=known.reference)
    return Needs(
        tasks(whole.agreement_reference, LOGITS), tasks(whole, COUNTS), tasks(beside, COUNTS)
    )


def files_for(plan: FleetPlan, task: Task, found: Found) -> list[Task]:
    """The parts whose files a host needs for a task: of a part, the reference's outputs. A case
    that is unavailable has not all."""
    known = plan.class_of(task.host_class)
    if not plan.shard_images or known is None:
        return []
    need = needs(plan, known, task.case)
    if task.part:
        return [*need.logits] if Span.parse(task.part).kind == COUNTS else []
    return [each for each in need.all if _done(each, found)]


def steps(plan: FleetPlan) -> list[Task]:
    """All tasks, parts included."""
    return list(dict.fromkeys((*_parts(plan), *plan.tasks())))


def ready(plan: FleetPlan, found: Found, given_up: Callable[[Task], bool]) -> list[Task]:
    """The tasks without a receipt that can begin now, in their order.

    Of a variant, one part alone can begin until it has a receipt: then the file is built, and every
    other host takes that file. A case that a part says is unavailable needs no other part.
    """
    if not plan.shard_images:
        return [task for task in plan.tasks() if task not in found]
    begun: dict[Task, None] = {}
    for task, need in _open(plan, found):
        if not all(_done(each, found) for each in need.logits):
            begun |= _next(need.logits, found, given_up)
        elif any(_unavailable(each, found) for each in need.counts):
            begun[task] = None
        else:
            begun |= _next(need.besides, found, given_up) | _next(need.counts, found, given_up)
            whole = all(_done(each, found) for each in need.counts)
            besides = all(_done(each, found) for each in need.besides)
            if whole and (besides or any(_unavailable(each, found) for each in need.besides)):
                begun[task] = None
    return list(begun)


def spent(plan: FleetPlan, found: Found) -> set[Task]:
    """The parts that have a receipt, and whose files no open case needs any more."""
    needed = {each for _, need in _open(plan, found) for each in need.all}
    return {task for task in found if task.part} - needed


def why_incomplete(
    plan: FleetPlan, task: Task, found: Found, why_lost: Callable[[Task], str]
) -> str:
    """Why a case that is verified in parts has no verdict. `why_lost` says it of one part."""
    known = plan.class_of(task.host_class)
    if not plan.shard_images or known is None:
        return why_lost(task)
    need, agreed = needs(plan, known, task.case), Case.parse(task.case).agreement_reference.variant
    for parts, of in (
        (need.logits, f" of the outputs of {agreed}"),
        (need.counts, ""),
        (need.besides, f" of {known.reference}, which the case is timed with"),
    ):
        missing = [each for each in parts if not _done(each, found)]
        if missing:
            images = [Span.parse(each.part) for each in missing]
            count = sum(each.stop - each.start for each in images)
            spans = some([f"{each.start:,} to {each.stop - 1:,}" for each in images])
            reasons = dict.fromkeys(filter(None, map(why_lost, missing)))
            return (
                f"INCOMPLETE: {count:,} of {known.images:,} images are in no shard{of} ({spans}): "
                f"{some(list(reasons), 2)}"
            )
    return f"INCOMPLETE: its parts are not merged: {why_lost(task)}"


def _open(plan: FleetPlan, found: Found) -> Iterator[tuple[Task, Needs]]:
    for known in plan.classes if plan.shard_images else ():
        for case in known.cases:
            task = Task(known.key, case)
            if task not in found:
                yield task, needs(plan, known, case)


def _parts(plan: FleetPlan) -> Iterator[Task]:
    for known in plan.classes if plan.shard_images else ():
        for case in known.cases:
            yield from needs(plan, known, case).all


def _done(task: Task, found: Found) -> bool:
    return task in found and found[task].state == MEASURED


def _unavailable(task: Task, found: Found) -> bool:
    return task in found and not _done(task, found)


def _next(
    parts: Sequence[Task], found: Found, given_up: Callable[[Task], bool]
) -> dict[Task, None]:
    """The parts that can begin: the first alone until one of all has a receipt. Once that one is
    given up nobody tries the others: what fails on it fails on them."""
    left = [each for each in parts if each not in found]
    if not any(_done(each, found) for each in parts):
        left = [] if any(map(given_up, parts)) else left[:1]
    return dict.fromkeys(left)
