"""The contract suite: what every deployment of every runtime must do, on the CPU.

A new runtime is tested by its rows in `variants.py`; there is nothing to add here.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.measure.options import Options
from vitbench.measure.session import PROFILED, Session
from vitbench.models import parse_spec
from vitbench.runtimes import (
    RUNTIMES,
    VARIANTS,
    Placement,
    has_streams,
    load,
    operators,
    streams,
    variant,
)
from vitbench.runtimes.catalogue import declared, require

MODEL = "deit_tiny_patch16_224"
NAMES = [row.name for row in VARIANTS if "cpu" in row.devices]
# All that is asked of one is asked in one of xdist's workers, which loads it once.
EACH = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES]
# Of each runtime its first recipe and its first int8 one: what is asked is a matter of the runtime.
FIRST = list(
    {(row.runtime, row.precision == "int8"): row.name for row in reversed(VARIANTS)
     if row.name in NAMES}.values()
)  # fmt: skip
OF_FIRST = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in FIRST]
COMPILED = ("inductor", "zentorch")  # when they are loaded
STREAMING = [each for each in OF_FIRST if has_streams(variant(str(each.values[0])), "cpu")]


@pytest.fixture(scope="module")
def session(cache):
    return session_at(cache)


def session_at(cache):
    """The suite's own session at one thread, so that two tests may run beside each other.

    The consistency suite, under two workers on two cores, finds what it has proven.
    """
    made = Session(options(cache), isolated=True)
    made.first_loads.planned = [Case(MODEL, name, "cpu", size) for name in NAMES for size in (1, 8)]
    return made


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
        require(variant(found.variant), found.device)
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    return found


def some(session, count):
    return np.ascontiguousarray(session.sample(MODEL).images[:count])


@pytest.mark.parametrize("name", EACH)
def test_it_predicts_what_the_reference_predicts(case, session):
    verification = session.verify(case)
    assert verification.agreement.state != "BROKEN", verification.agreement.sentence
    version = RUNTIMES[variant(case.variant).runtime].version()
    assert version in session.artifact(case).manifest["identity"]["versions"]["runtime"]


@pytest.mark.parametrize("name", EACH)
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


@pytest.mark.parametrize("name", EACH)
def test_a_second_load_gives_equal_logits(case, session):
    images = some(session, 3)  # of a size that is compiled already
    second = session.deployment(case, copy=1)
    assert second is not session.deployment(case)
    assert np.array_equal(second.logits(images), session.deployment(case).logits(images))


@pytest.mark.parametrize("name", STREAMING)
def test_streams_answer_at_the_same_time_what_one_call_answers(case, session):
    images, placement = some(session, 8), session.placement(case)
    found = streams(placement, 2)

    def answers(deployment):
        return np.concatenate([deployment.logits(images[n : n + 1]) for n in range(8)])

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(answers, found)
    assert np.array_equal(one, other)
    expected = answers(session.deployment(case))
    most = variant(case.variant).limits.relative_error
    assert np.linalg.norm(one - expected) <= most * np.linalg.norm(expected)
    if placement.variant.runtime == "openvino":
        model = found[0].stage(images[:1])[0].get_compiled_model()
        assert model.get_property("NUM_STREAMS") == 2
        assert model.get_property("INFERENCE_NUM_THREADS") == 2 * placement.threads


@pytest.mark.parametrize("name", OF_FIRST)
def test_images_of_another_kind_are_refused(case, session):
    deployment = session.deployment(case)
    images = some(session, 3)
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


@pytest.mark.parametrize("name", OF_FIRST)
def test_its_profiler_tells_where_the_time_goes(case, session):
    try:
        found = operators(session.placement(case), some(session, 1))
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    assert found
    assert all(each.name and each.calls > 0 for each in found)
    seconds = [each.seconds for each in found]
    assert seconds == sorted(seconds, reverse=True)
    assert 0 < sum(seconds) < 60


@pytest.mark.parametrize("name", EACH[:1])
def test_a_session_profiles_in_a_process_of_its_own(case, session):
    found = session.profile(case, some(session, 1))
    assert 0 < len(found) <= PROFILED
    assert {"name", "seconds", "calls"} <= set(found[0])
    assert found[0]["seconds"] >= found[-1]["seconds"] >= 0


@pytest.mark.parametrize("name", OF_FIRST)
def test_the_code_that_loads_it_is_short(case, session):
    placement = Placement(
        Path("model.bin"), variant(case.variant), "cpu", session.model(MODEL).architecture, 1
    )
    code = RUNTIMES[placement.variant.runtime].loading_code(placement)
    compile(code, "load", "exec")
    assert len(code.splitlines()) <= 15


@pytest.fixture(scope="module")
def available():
    """The cases of FIRST that can run here."""
    found = []
    for name in FIRST:
        with suppress(Unavailable):
            require(variant(name), "cpu")
            found.append(Case(MODEL, name, "cpu", 1))
    return found


# Who builds an entry again is no matter of its runtime: one of one file, one of several.
@pytest.mark.parametrize(
    "name", ["scripted", pytest.param("openvino-fp32", marks=pytest.mark.thorough)]
)
def test_garbage_is_built_again_once_by_two_at_a_time(case, tmp_path, session):
    own = with_artifacts(session, tmp_path / "cache", [case])
    artifact = Session(options(own)).artifact(case)
    assert not artifact.built
    for file in artifact.files:
        file.write_bytes(b"garbage" * 1000)

    def ask(_):
        return Session(options(own)).artifact(case).built

    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(ask, range(2))) == [False, True]
    images = some(session, 2)
    built = load(placed(case, session, 1, artifact.path)).logits(images)
    assert np.allclose(built, session.deployment(case).logits(images), atol=1e-3)


def with_artifacts(session, folder, cases):
    """A cache in `folder` with the artifacts of these cases, known to load: none is verified."""
    for case in cases:
        session.first_loads.prove(case)
        entry = session.artifact(case).path.parent
        shutil.copytree(entry, folder / entry.parent.name / entry.name)
    shutil.copytree(session.cache.folder / "loaded", folder / "loaded")
    return folder


def placed(case, session, threads, path=None):
    """The case's artifact, or the one at `path`, on the CPU."""
    architecture = session.model(MODEL).architecture
    path = path or session.artifact(case).path
    return Placement(path, variant(case.variant), "cpu", architecture, threads)


def probe(cases, session, threads, garbage=()):
    """What `tests.helpers.probe` answers on the cases and on Placements of garbage."""
    request = {
        "placements": [placed(case, session, threads).to_json() for case in cases],
        "garbage": [each.to_json() for each in garbage],
    }
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.probe"], input=json.dumps(request),
        cwd=ROOT, env=mine, text=True, capture_output=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return json.loads(done.stdout)


def disturbed(found, threads):
    """A sentence for each deployment that leaves its process otherwise, or has other threads."""
    said = []
    for name, each in found.items():
        if each["changed"]:
            said.append(f"{name} left another {each['changed']}")
        if each["cores_idle"] >= 0.2:
            said.append(f"{name} keeps {each['cores_idle']:.2f} cores busy and has nothing to do")
        if (max(each["helped"]) > 0.1) is not (threads > 1):
            said.append(f"{name}, given {threads} threads, has helpers do {max(each['helped'])}")
    return said


def test_what_a_process_should_not_be_left_with_is_found():
    fine = {"changed": [], "cores_idle": 0.0, "helped": [0.0, 0.8]}
    found = {"fine": fine, "set": {**fine, "changed": ["engine"]},
             "spins": {**fine, "cores_idle": 0.9}, "alone": {**fine, "helped": [0.01]}}  # fmt: skip
    assert [each.split()[0] for each in disturbed(found, 2)] == ["set", "spins", "alone,"]
    assert disturbed({"fine": fine}, 1) == ["fine, given 1 threads, has helpers do 0.8"]
    assert disturbed({"fine": {**fine, "helped": [0.01]}}, 1) == []


@pytest.fixture(scope="module")
def probed(available, session, tmp_path_factory):
    """The answer of a process that loads all, one after the other, given one thread, and then
    garbage in their place. Compiling takes long: two threads show what it leaves behind."""
    garbage = []
    for case in available:
        artifact = session.artifact(case)
        folder = tmp_path_factory.mktemp(case.variant)
        for file in artifact.files:
            (folder / file.name).write_bytes(b"garbage" * 1000)
        garbage.append(placed(case, session, 1, folder / artifact.path.name))
    cases = [each for each in available if variant(each.variant).runtime not in COMPILED]
    answer = probe(cases, session, 1, garbage)
    assert list(answer["found"]) == [case.variant for case in cases]
    return answer


@pytest.mark.xdist_group("probes")
def test_garbage_is_refused(probed, available):
    """By each runtime, with an exception: a crash takes the process along."""
    assert probed["refused"] == [case.variant for case in available]


@pytest.mark.xdist_group("probes")
def test_no_import_of_a_runtime_changes_a_key_of_the_cache(probed):
    assert probed["keys"]


@pytest.mark.xdist_group("probes")
@pytest.mark.parametrize("threads", [1, 2])
def test_the_process_is_left_as_it_was(request, available, session, threads):
    """By all, one after the other; `thorough` has a process for each."""
    answer = request.getfixturevalue("probed") if threads == 1 else probe(available, session, 2)
    assert len(answer["found"]) >= len(available) - 1
    assert not disturbed(answer["found"], threads)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FIRST)
def test_its_process_is_left_as_it_was(case, session):
    for threads in (1, 2):
        assert not disturbed(probe([case], session, threads)["found"], threads)


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
