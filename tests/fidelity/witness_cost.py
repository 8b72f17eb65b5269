"""What comparing outputs costs the rounds: an A/A with witnesses and without.

`python -m tests.fidelity.witness_cost [--variant=fp32 --variant=tuned-int8] [--seconds=60]`

Segments of 30 rounds with witnesses (six rounds are looked at, far more than of a case's hundreds)
and without take turns, ABBA, in one process. Prints by variant the seconds of the case with over
those without, from the medians of the segments, and the same of the A/A ratio of case to reference,
with their 95 % intervals over the pairs of segments.
"""

import argparse
import math
import time

import numpy as np

from vitbench import environment
from vitbench.case import Case
from vitbench.cli.options import PREDICT
from vitbench.cli.parsing import add
from vitbench.cli.session import session_of
from vitbench.measure.clock import BusyClock
from vitbench.measure.outputs import Witness, drawn_rounds
from vitbench.measure.paired import PairedRounds
from vitbench.runtimes import variant

ROUNDS = 30


def segment(turns, witnesses, seed):
    """Medians of log seconds, case and reference, of one segment."""
    clock = BusyClock()
    pairs = PairedRounds(*turns, clock, witnesses)
    for number, (deployment, staged) in enumerate(turns):
        with deployment.active():
            answers = [deployment.read(deployment(staged)) for _ in range(2)]
        if witnesses:
            witnesses[number].begin(answers)
    pairs.draw(drawn_rounds(ROUNDS, seed), ROUNDS)
    seconds = []
    for _ in range(ROUNDS):
        pairs.setup()
        before = clock()
        pairs()
        seconds.append(clock() - before)
        pairs.teardown()
    return np.median(np.log(seconds)), np.median(np.log(pairs.reference_seconds))


def interval(logs):
    """A mean of log ratios with its 95 % interval: low, middle, high."""
    from scipy.stats import t

    half = t.ppf(0.975, len(logs) - 1) * np.std(logs, ddof=1) / math.sqrt(len(logs))
    return [np.mean(logs) + side * half for side in (-1, 0, 1)]


def told(name, logs):
    """A mean of log ratios and its interval, in per cent."""
    low, middle, high = (100 * math.expm1(each) for each in interval(logs))
    return f"{name} {middle:+.2f} % [{low:+.2f}, {high:+.2f}]"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    add(parser, PREDICT)
    chosen = parser.parse_args()
    environment.settle_idle_threads()
    session = session_of(PREDICT, chosen, verify_images=16)
    model = session.options.models[0].name
    for name in chosen.variant or ["fp32", "tuned-int8"]:
        case = Case(model, name, "cpu", chosen.batch)
        verification = session.verify(case)
        images = session.first_batch(case)
        turns = [(d, d.stage(images)) for d in (session.deployment(case, copy) for copy in (0, 1))]
        limits = variant(case.variant).limits

        def witnesses(case=case, verified=verification.first_output, limits=limits):
            return tuple(Witness(case.id, verified, limits) for _ in range(2))

        segment(turns, None, 0)
        found, began = [], time.monotonic()
        while time.monotonic() - began < chosen.seconds or len(found) < 4:
            order = (True, False) if len(found) % 2 else (False, True)
            taken = {w: segment(turns, witnesses() if w else None, len(found)) for w in order}
            found.append((taken[True][0] - taken[False][0],
                          np.subtract(*taken[True]) - np.subtract(*taken[False])))  # fmt: skip
        own, ratio = np.array(found).T
        print(f"{case.id}, {len(found)} pairs of segments: {told('seconds', own)}; "
              f"{told('case over reference', ratio)}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
