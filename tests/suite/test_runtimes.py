"""The contract suite: what every deployment of every runtime must do, on the CPU.

A new runtime is tested by its rows in `variants.py`; there is nothing to add here.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from vitbench.build.worker import WorkerFailed
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_spec
from vitbench.runtimes import RUNTIMES, VARIANTS, Placement, load, variant
from vitbench.runtimes.catalogue import declared, require

MODEL = "deit_tiny_patch16_224"
NAMES = [row.name for row in VARIANTS if "cpu" in row.devices]
# Of each runtime its first recipe and its first int8 one: what is asked is a matter of the runtime.
FIRST = list(
    {(row.runtime, row.precision == "int8"): row.name for row in reversed(VARIANTS)
     if row.name in NAMES}.values()
)  # fmt: skip


@pytest.fixture(scope="module")
def session(cache):
    """The suite's own session at one thread, so that two tests may run beside each other."""
    return Session(options(cache))


def options(cache):
    return Options(
        models=(parse_spec(MODEL, ROOT),), weights=None, images=None, variants=(),
        reference="fp32", device="cpu", batches=(), threads=1, seconds=1.0,
        build_seconds=600.0, profile=True,
        calibration=None, verify_images=8, cache=cache, rebuild=None,
    )  # fmt: skip


@pytest.fixture
def case(name):
    """The case of a variant. Skips where it cannot run here; a broken runtime is a failure."""
    found, recipe = Case(MODEL, name, "cpu", 1), variant(name)
    if declared(recipe) is None:
        try:
            RUNTIMES[recipe.runtime].version()
        except Unavailable as reason:
            pytest.fail(f"{name} is declared available: {reason}")
    try:
        require(found)
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    return found


def some(session, count):
    return np.ascontiguousarray(session.sample(MODEL).images[:count])


@pytest.mark.parametrize("name", NAMES)
def test_it_predicts_what_the_reference_predicts(case, session):
    verification = session.verify(case)
    assert verification.agreement.state != "BROKEN", verification.agreement.sentence


@pytest.mark.parametrize("name", NAMES)
def test_any_batch_in_any_layout_the_same_each_time(case, session):
    deployment = session.deployment(case)
    images = some(session, 8)
    first = deployment.logits(images)
    assert first.shape == (8, len(session.model(MODEL).labels))
    assert first.dtype == np.float32
    # Not contiguous, and of a batch size that none was made with; then as at first.
    strided = np.repeat(images, 2, axis=0)[::2][:3]
    assert not strided.flags.c_contiguous
    assert np.array_equal(deployment.logits(strided), deployment.logits(images[:3]))
    again = deployment.logits(images)
    assert np.array_equal(first, again)
    assert not np.shares_memory(first, again)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_load_gives_equal_logits(case, session):
    images = some(session, 2)
    second = session.deployment(case, copy=1)
    assert second is not session.deployment(case)
    assert np.array_equal(second.logits(images), session.deployment(case).logits(images))


@pytest.mark.parametrize("name", FIRST)
def test_images_of_another_kind_are_refused(case, session):
    deployment = session.deployment(case)
    images = some(session, 2)
    for wrong in (
        images[:, :, :100],
        images[:, :1],
        images[0],
        images.astype(np.float64),
        images[:0],
    ):
        with pytest.raises(ValueError, match=r"this model takes float32 \(N, 3, 224, 224\)"):
            deployment.logits(wrong)
    assert np.isfinite(deployment.logits(images)).all()


@pytest.mark.parametrize("name", FIRST)
def test_its_profiler_tells_where_the_time_goes(case, session):
    try:
        found = session.profile(case, some(session, 1))
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    assert found
    assert all(each["name"] and each["calls"] > 0 for each in found)
    seconds = [each["seconds"] for each in found]
    assert seconds == sorted(seconds, reverse=True)
    assert 0 < sum(seconds) < 60


@pytest.mark.parametrize("name", FIRST)
def test_the_code_that_loads_it_is_short(case, session):
    placement = Placement(
        Path("model.bin"), variant(case.variant), "cpu", session.model(MODEL).architecture, 1
    )
    code = RUNTIMES[placement.variant.runtime].loading_code(placement)
    compile(code, "load", "exec")
    assert len(code.splitlines()) <= 10


@pytest.mark.parametrize("name", FIRST)
def test_garbage_is_refused_and_built_again_once_by_two_at_a_time(case, tmp_path, session):
    recipe = variant(case.variant)
    cache = tmp_path / "cache"
    artifact = Session(options(cache)).artifact(case)
    architecture = session.model(MODEL).architecture
    placement = Placement(artifact.path, recipe, "cpu", architecture, 1)
    assert artifact.built
    for file in artifact.files:
        file.write_bytes(b"garbage" * 1000)
    script = (
        "import json, sys; from vitbench.runtimes import load, placement_of\n"
        "try: load(placement_of(json.loads(sys.argv[1])))\n"
        "except Exception as error: print('refused', type(error).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(placement.to_json())],
        cwd=ROOT, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("refused"), (done.returncode, done.stderr[-500:])

    def ask(_):
        return Session(options(cache)).artifact(case).built

    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(ask, range(2))) == [False, True]
    images = some(session, 2)
    built = load(placement).logits(images)
    assert np.allclose(built, session.deployment(case).logits(images), atol=1e-3)
    assert (
        RUNTIMES[recipe.runtime].version() in artifact.manifest["identity"]["versions"]["runtime"]
    )


@pytest.mark.parametrize("name", FIRST)
def test_its_process_is_left_as_it_was(case, session):
    one, two = (probe(case, session, threads) for threads in (1, 2))
    for threads, found in ((1, one), (2, two)):
        assert not found["changed"], f"{case.variant} left another {found['changed']}"
        assert found["cores_idle"] < 0.2, (
            f"{case.variant} at {threads} threads keeps {found['cores_idle']:.2f} cores busy "
            "while it has nothing to do"
        )
    assert max(one["helped"]) < 0.1, f"{case.variant} was told one thread"
    # Of two threads the best probe counts: during another, one of them may have got no core.
    assert max(two["helped"]) > 0.1, f"{case.variant} was told two threads"


def probe(case, session, threads):
    request = replace(session.placement(case), threads=threads).to_json()
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.probe", json.dumps(request)],
        cwd=ROOT, env=mine, text=True, capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_build_that_takes_too_long_is_ended_and_named(tmp_path):
    hasty = Session(replace(options(tmp_path), build_seconds=0.5))
    with pytest.raises(WorkerFailed, match=r"stopped: no answer in 0.5 s \(--build-seconds\)"):
        hasty.artifact(Case(MODEL, "scripted", "cpu", 1))
    assert not list(tmp_path.glob("artifacts/*/artifact*"))


def test_calibration_images_are_not_the_judged_ones(session):
    judged, calibrated = session.sample(MODEL), session.inputs.calibration(MODEL)
    assert len(calibrated.ids) == 64
    assert not set(judged.clusters) & set(calibrated.clusters)


def test_a_calibration_folder_is_named_in_its_errors(cache, tmp_path):
    chosen = replace(options(cache), calibration=tmp_path / "none")
    with pytest.raises(UserError, match=r"--calibration .*none does not exist"):
        Session(chosen).inputs.calibration(MODEL)
