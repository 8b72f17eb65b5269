"""What all hosts do, on a terminal, while a run goes on."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vitbench.fleet.hosts import distinct
from vitbench.fleet.parts import steps
from vitbench.fleet.run import FleetState
from vitbench.show.clean import clean


@dataclass(frozen=True)
class View:
    """`say` writes a line that stays; `show` takes the state of the run."""

    say: Callable[[str], None]
    show: Callable[[FleetState], None]


@contextmanager
def view(phases: Callable[[], Mapping[str, str]]) -> Iterator[View]:
    """One table of all hosts on stderr, where that is a terminal; else lines alone. `phases`: what
    each host does that has a case."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield View(lambda words: print(f"  {clean(words)}", file=sys.stderr, flush=True), _nothing)
        return
    began: dict[tuple[str, str], float] = {}
    with Live(console=console, refresh_per_second=2, transient=True) as live:

        def show(state: FleetState) -> None:
            live.update(grid(state, phases(), began, time.monotonic()))

        yield View(lambda words: live.console.print(Text(f"  {clean(words)}")), show)


def grid(
    state: FleetState,
    phases: Mapping[str, str],
    began: dict[tuple[str, str], float],
    now: float,
) -> Table:
    """A row for each host. `began` keeps, from call to call, when a host was given its case."""
    names = distinct(state.plan.classes)
    running = {given.host.name: given.task for given in state.running}
    tasks = steps(state.plan)
    what = "cases and parts of cases" if state.plan.shard_images else "cases"
    done = sum(task in state.receipts for task in tasks)
    table = Table(box=None, title=f"{done} of {len(tasks)} {what}", title_justify="left")
    for label in ("host", "class", "done", "case", "seconds", "now"):
        table.add_column(label)
    for host in sorted({each.name: each for each in state.hosts}.values(), key=lambda h: h.name):
        task = running.get(host.name)
        since = began.setdefault((host.name, str(task)), now) if task else now
        finished = sum(each.host == host.name for each in state.receipts.values())
        cells = [
            host.name,
            names.get(host.host_class, ""),
            str(finished),
            str(task) if task else "",
            f"{now - since:.0f}" if task else "",
            phases.get(host.name, "") or ("starting" if task else "idle"),
        ]
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table


def _nothing(_: FleetState) -> None:
    """Nobody looks."""
