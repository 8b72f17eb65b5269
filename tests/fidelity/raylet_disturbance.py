"""Whether an idle node of Ray disturbs what is timed beside it: an A/A with and without.

    python -m tests.fidelity.raylet_disturbance [--variant=int8-dynamic] [--pairs=22]

Needs the extra `fleet`. A raylet, its agents and the GCS of a cluster run on this machine, idle.
Blocks in which two copies of a variant take turns are timed while all of Ray's processes run, and
while all are stopped (SIGSTOP: so none takes another one for dead), in a random order within each
pair of blocks. Prints, with 95 % intervals over the pairs, the seconds beside Ray over those
without, and the A/A ratio of the two copies (the null arm) beside Ray over the one without; and the
share of a core that Ray took. Five and a half minutes, on a machine that does nothing else. Exit
code 1 unless both are shown to differ by 0.5 % at most.
"""

import argparse
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import psutil
from numpy.typing import NDArray

from tests.fidelity.witness_cost import interval, segment
from vitbench import environment
from vitbench.case import Case
from vitbench.cli.options import PREDICT
from vitbench.cli.parsing import add
from vitbench.cli.session import session_of
from vitbench.measure.paired import Turn

MOST = 0.005
SETTLE_SECONDS = 1.0
"""After a change: processes that go on catch up with their timers first."""
LEAST_PAIRS = 4
NONE = f"no difference beyond {MOST:.1%}"
CLUSTER = """
import sys
from tests.helpers.ray_cluster import local_cluster
with local_cluster() as cluster:
    cluster.add("one")
    print("ready", flush=True)
    sys.stdin.read()
"""


class Ray:
    """All processes of a cluster. `seconds`: CPU time that they took while they ran."""

    def __init__(self, top: psutil.Process) -> None:
        self.processes = [top, *top.children(recursive=True)]
        self.seconds = self.ran_seconds = 0.0
        self._since = (time.monotonic(), self._taken())

    def stop(self) -> None:
        for each in self.processes:
            each.send_signal(signal.SIGSTOP)
        began, before = self._since
        self.seconds += self._taken() - before
        self.ran_seconds += time.monotonic() - began

    def go_on(self) -> None:
        self._since = (time.monotonic(), self._taken())
        for each in reversed(self.processes):
            each.send_signal(signal.SIGCONT)

    def _taken(self) -> float:
        return sum(sum(each.cpu_times()[:2]) for each in self.processes)


@contextmanager
def idle_cluster() -> Iterator[Ray]:
    """A head and a node with a CPU; ends with what it started."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        while (line := process.stdout.readline()).strip() != "ready":
            if not line:
                raise SystemExit("Ray's cluster did not start")
        time.sleep(10 * SETTLE_SECONDS)  # its agents start, too
        ray = Ray(psutil.Process(process.pid))
        try:
            yield ray
        finally:
            ray.go_on()
    finally:
        process.stdin.close()
        process.wait()


def block(turns: Sequence[Turn], seconds: float) -> NDArray[np.float64]:
    """Mean log seconds of the two copies, of the medians of segments that fill so many seconds."""
    found, began = [], time.monotonic()
    while not found or time.monotonic() - began < seconds:
        found.append(segment(turns, None, 0))
    return np.mean(found, axis=0)


def blocks(
    turns: Sequence[Turn], ray: Ray, pairs: int, seconds: float, chance: random.Random
) -> list[dict[bool, NDArray[np.float64]]]:
    """Of each pair the block beside Ray (True) and the one without (False)."""
    found, running = [], True
    for _ in range(pairs):
        taken = {}
        for beside in chance.sample((True, False), 2):
            if beside != running:
                (ray.go_on if beside else ray.stop)()
                running = beside
                time.sleep(SETTLE_SECONDS)
            taken[beside] = block(turns, seconds)
        found.append(taken)
    if running:
        ray.stop()
    return found


def verdict(low: float, high: float) -> str:
    """What an interval of log ratios shows."""
    if max(abs(low), abs(high)) <= MOST:
        return NONE
    if low > 0 or high < 0:
        return "DIFFERENT: time on cores that Ray is kept off"
    return f"UNPROVEN: more --pairs, or a quieter machine, to show {MOST:.1%}"


def ratio(logs: Sequence[float]) -> str:
    low, middle, high = map(math.exp, interval(logs))
    return f"{middle:.4f} [{low:.4f}, {high:.4f}]"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    own = parser.add_argument
    own("--batch", type=int, default=1)
    own("--pairs", type=int, default=22, help="of blocks: beside Ray, and without")
    own("--block-seconds", type=float, default=4.5)
    own("--seed", type=int, default=1)
    add(parser, PREDICT)
    chosen = parser.parse_args()
    environment.settle_idle_threads()
    session = session_of(PREDICT, chosen, verify_images=16)
    (name,) = chosen.variant or ["int8-dynamic"]
    case = Case(session.options.models[0].name, name, "cpu", chosen.batch)
    images = session.first_batch(case)
    turns = [(d, d.stage(images)) for d in (session.deployment(case, copy) for copy in (0, 1))]
    segment(turns, None, 0)
    pairs = max(chosen.pairs, LEAST_PAIRS)
    with idle_cluster() as ray:
        began = time.monotonic()
        found = blocks(turns, ray, pairs, chosen.block_seconds, random.Random(chosen.seed))
        seconds = time.monotonic() - began
    with_ray, without = (np.array([each[side] for each in found]) for side in (True, False))
    print(
        f"{case.id}: {1e3 * np.exp(without).mean():.2f} ms, {session.options.threads} threads; "
        f"{len(found)} pairs of blocks of {chosen.block_seconds:g} s, {seconds:.0f} s in all"
    )
    null_with, null_without = (np.subtract(*each.T) for each in (with_ray, without))
    states = []
    for label, logs in (
        ("seconds of a call", (with_ray - without)[:, 0]),
        ("null arm", null_with - null_without),
    ):
        low, _, high = interval(logs)
        states.append(verdict(low, high))
        print(f"{label}, beside Ray over without: {ratio(logs)}: {states[-1]}")
    print(f"null arm beside Ray {ratio(null_with)}, without {ratio(null_without)}")
    print(
        f"Ray's {len(ray.processes)} processes took {ray.seconds / ray.ran_seconds:.2%} of a core"
    )
    return int(any(each != NONE for each in states))


if __name__ == "__main__":
    sys.exit(main())
