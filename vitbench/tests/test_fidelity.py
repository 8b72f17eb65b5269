"""Whether the harness measures what a bare loop measures, and equal networks as equal.

Run alone, nothing else on the machine, and look at the printed interval (no time is asserted):

    pytest --benchmark-only vitbench/tests/test_fidelity.py -s --seconds=60
    pytest --benchmark-only vitbench/tests/test_fidelity.py -s --seconds=10 \
        --model=deit_tiny_patch16_224 --model=vit_tiny_patch16_224
"""

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from fixtures.cases import CLOCK
from vitbench.case import Case
from vitbench.judge.stats import paired_ratio
from vitbench.measure.paired import PairedRounds

pytestmark = pytest.mark.benchmark(timer=CLOCK)


@pytest.fixture
def play(quiet_benchmark, vitbench_session):
    """Play pairs through pytest-benchmark; returns the seconds of the case's rounds."""

    def run(pairs):
        rounds = pairs.rounds_for(vitbench_session.options.seconds, pairs.warm_up(), 20)
        quiet_benchmark.pedantic(pairs, setup=pairs.setup, teardown=pairs.teardown, rounds=rounds)
        return quiet_benchmark.stats.stats.data

    return run


def told(name, ratio):
    interval = f"[{ratio.low:.4f}, {ratio.high:.4f}]"
    print(f"\n{name}: {ratio.speedup:.4f} {interval} in {ratio.rounds} rounds")


def test_harness_against_a_bare_loop(play, vitbench_session):
    name = vitbench_session.options.models[0].name
    deployment = vitbench_session.deployment(Case(name, "fp32", "cpu", 1))
    bare_seconds = {}

    def bare(staged):
        start = perf_counter()
        output = deployment.call(staged)
        # Of each round the last call stays: the timed one.
        bare_seconds[len(pairs.reference_seconds)] = perf_counter() - start
        return output

    staged = deployment.stage(vitbench_session.sample(name).images[:1])
    pairs = PairedRounds((deployment, staged), (replace(deployment, call=bare), staged), CLOCK)
    ours, bares = play(pairs), list(bare_seconds.values())
    assert len(ours) == len(bares)
    told("bare loop / harness, per pair", paired_ratio(ours, bares))
    print(f"medians: harness {np.median(ours):.6f} s, bare {np.median(bares):.6f} s")


def test_the_same_network_under_two_names(play, vitbench_session):
    models = vitbench_session.options.models
    if len(models) != 2:
        pytest.skip("give two models of one architecture, as the module's docstring shows")
    images = vitbench_session.sample(models[0].name).images[:1]
    deployments = [vitbench_session.deployment(Case(m.name, "fp32", "cpu", 1)) for m in models]
    first, second = ((deployment, deployment.stage(images)) for deployment in deployments)
    pairs = PairedRounds(first, second, CLOCK)
    told(f"{models[1].name} / {models[0].name}", paired_ratio(play(pairs), pairs.reference_seconds))
