"""Whether the harness measures what a bare loop measures, within 3 %, and equal networks as equal.

Part of the thorough tests. On a machine where something else runs the intervals get wide, and what
they leave open is skipped as undecided. For a narrow one, alone on the machine:

    pytest -m thorough tests/fidelity/test_fidelity.py -s --seconds=60
    pytest -m thorough tests/fidelity/test_fidelity.py -s --seconds=10 \
        --model=deit_tiny_patch16_224 --model=vit_tiny_patch16_224
"""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from tests.fidelity import load_theory
from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.measure.paired import PairedRounds
from vitbench.plugin import activate
from vitbench.plugin.cases import CLOCK
from vitbench.plugin.options import session_of
from vitbench.runtimes import Deployment, variant
from vitbench.runtimes.catalogue import require
from vitbench.stats.intervals import paired_ratio

pytestmark = [pytest.mark.benchmark(timer=CLOCK), pytest.mark.thorough]
BOUND = 1.03  # docs/results.md: within 3 % of its vendor's own tool


@pytest.fixture
def vitbench_session(request):
    """The session of this run. These tests have no mark, which would make the plugin active."""
    activate(request.config)
    return session_of(request.config)


@pytest.fixture
def play(request, vitbench_session):
    """Play pairs through pytest-benchmark; returns the seconds of the case's rounds."""
    quiet_benchmark = request.getfixturevalue("quiet_benchmark")

    def run(pairs):
        rounds = pairs.rounds_for(vitbench_session.options.seconds, pairs.warm_up(), 20)
        quiet_benchmark.pedantic(pairs, setup=pairs.setup, teardown=pairs.teardown, rounds=rounds)
        return quiet_benchmark.stats.stats.data

    return run


def require_equal(name, ratio):
    """Passes where the interval of the ratio lies within BOUND; fails where all of the interval is
    beyond BOUND; skips where the interval is too wide to say."""
    interval = f"{ratio.speedup:.4f} [{ratio.low:.4f}, {ratio.high:.4f}] in {ratio.rounds} rounds"
    print(f"\n{name}: {interval}")
    if ratio.low > BOUND or ratio.high < 1 / BOUND:
        pytest.fail(f"{name} is {interval}: not within {BOUND}", pytrace=False)
    if not 1 / BOUND <= ratio.low <= ratio.high <= BOUND:
        pytest.skip(f"undecided: {name} is {interval}; nothing else should run on the machine")


def bare_against_harness(play, vitbench_session, more=0.0):
    """The ratio bare loop / harness, per pair. `more`: a planted share of each bare call."""
    name = vitbench_session.options.models[0].name
    deployment = vitbench_session.deployment(Case(name, "fp32", "cpu", 1))
    bare_seconds = {}

    def bare(staged):
        start = perf_counter()
        output = deployment.call(staged)
        end = start + (perf_counter() - start) * (1 + more)
        while perf_counter() < end and more:
            pass
        # Of each round the last call stays: the timed one.
        bare_seconds[len(pairs.reference_seconds)] = perf_counter() - start
        return output

    staged = deployment.stage(vitbench_session.sample(name).images[:1])
    pairs = PairedRounds((deployment, staged), (replace(deployment, call=bare), staged), CLOCK)
    ours, bares = play(pairs), list(bare_seconds.values())
    assert len(ours) == len(bares)
    print(f"medians: harness {np.median(ours):.6f} s, bare {np.median(bares):.6f} s")
    return paired_ratio(ours, bares)


def test_harness_against_a_bare_loop(play, vitbench_session):
    ratio = bare_against_harness(play, vitbench_session)
    require_equal("bare loop / harness, per pair", ratio)


def test_a_bare_loop_that_takes_a_tenth_more_is_found(play, vitbench_session):
    ratio = bare_against_harness(play, vitbench_session, more=0.1)
    with pytest.raises(pytest.fail.Exception, match=r"not within 1\.03"):
        require_equal("planted", ratio)


def test_the_same_network_under_two_names(play, vitbench_session):
    """Two models of one architecture, where two are given; else a model and its second copy."""
    first, *others = vitbench_session.options.models
    second = others[0] if others else first
    images = vitbench_session.sample(first.name).images[:1]
    cases = [Case(model.name, "fp32", "cpu", 1) for model in (first, second)]
    deployments = [
        vitbench_session.deployment(cases[0]),
        vitbench_session.deployment(cases[1], copy=int(not others)),
    ]
    pairs = PairedRounds(*((each, each.stage(images)) for each in deployments), CLOCK)
    seconds = play(pairs)
    require_equal(f"{second.name} / {first.name}", paired_ratio(seconds, pairs.reference_seconds))


@pytest.fixture
def built(vitbench_session):
    """The artifact's path and the deployment of a variant of the first model. Skips without it."""

    def found(name):
        case = Case(vitbench_session.options.models[0].name, name, "cpu", 1)
        try:
            require(variant(case.variant), case.device)
        except Unavailable as reason:
            pytest.skip(f"unavailable: {reason}")
        return vitbench_session.artifact(case).path, vitbench_session.deployment(case)

    return found


def test_onnxruntime_against_a_bare_session(play, built, vitbench_session):
    path, deployment = built("ort-fp32")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = vitbench_session.options.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    bare = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (wanted,) = bare.get_inputs()
    images = vitbench_session.sample(vitbench_session.options.models[0].name).images[:1]
    theirs = Deployment(
        stage=lambda images: {wanted.name: images},
        call=lambda feed: bare.run(None, feed)[0],
        read=np.array,
    )
    assert np.array_equal(deployment.logits(images), theirs.logits(images))
    pairs = PairedRounds(
        (deployment, deployment.stage(images)), (theirs, theirs.stage(images)), CLOCK
    )
    seconds = play(pairs)
    ratio = paired_ratio(seconds, pairs.reference_seconds)
    require_equal("bare onnxruntime / ours, per pair", ratio)


@pytest.mark.parametrize("name", ["openvino-fp32", "openvino-int8"])
def test_openvino_against_its_benchmark_app(name, request, built, vitbench_session):
    """Blocks of ours and of benchmark_app take turns: first ours, then theirs first."""
    path, deployment = built(name)
    tool = Path(sys.executable).with_name("benchmark_app")
    if not tool.exists() and not shutil.which("benchmark_app"):
        pytest.skip("benchmark_app is not on PATH: it comes with openvino")
    options = vitbench_session.options
    seconds = max(1, int(options.seconds / 10))
    images = vitbench_session.sample(options.models[0].name).images[:1]
    shape = ",".join(map(str, images.shape))
    # What its hint "latency" comes to: with a hint it takes no number of threads.
    command = [
        str(tool), "-m", str(path), "-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1",
        "-nthreads", str(options.threads), "-infer_precision", "f32", "-shape", f"[{shape}]",
        "-t", str(seconds), "-pin", "NO",
    ]  # fmt: skip
    staged = deployment.stage(images)

    def ours():
        taken, end = [], perf_counter() + seconds
        with deployment.active():
            while perf_counter() < end:
                taken.append(CLOCK.call(deployment, staged)[1])
        return float(np.median(taken))

    def theirs():
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
        (median,) = re.findall(r"Median:\s+([\d.]+) ms", done.stdout)
        return float(median) / 1e3

    def block():
        first, second = (ours, theirs) if len(mine) % 2 == 0 else (theirs, ours)
        found = {each: each() for each in (first, second)}
        mine.append(found[ours])
        yours.append(found[theirs])

    mine, yours = [], []
    request.getfixturevalue("quiet_benchmark").pedantic(block, rounds=20)
    assert len(mine) == len(yours) == 20
    require_equal(f"benchmark_app / ours, {name}, per block", paired_ratio(mine, yours))


def test_waits_under_load_are_those_of_theory(capsys):
    code = load_theory.main(["--queries=400"])
    said = capsys.readouterr().out
    if code == load_theory.UNDECIDED:
        pytest.skip(said)
    assert code == 0, said
