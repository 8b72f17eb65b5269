"""What entries of the cache are named by: nothing may pass for something else."""

import json
from dataclasses import replace

import pytest

from vitbench import environment
from vitbench.case import Case
from vitbench.deploy import identity
from vitbench.errors import Unavailable
from vitbench.models import parse_spec
from vitbench.options import Options
from vitbench.runtimes import RUNTIMES, VARIANTS, Deployment, variant
from vitbench.session import Session
from vitbench.tests.conftest import ROOT

MODEL = "deit_tiny_patch16_224"


def logits(row):
    case = Case(MODEL, row.name, f"{row.devices[0]}", 1)
    return identity.of_logits(case, row, artifact="one file", sample="a", threads=2)


def test_no_two_variants_share_their_logits_even_with_one_file():
    """fp32 and compiled are made from the very same weights file."""
    known = {}
    for row in VARIANTS:
        try:
            RUNTIMES[row.runtime].version()
        except Unavailable:
            continue
        name = json.dumps(logits(row), sort_keys=True)
        assert known.setdefault(name, row.name) == row.name
    assert len(known) > 10


def test_a_miscompiled_graph_is_not_passed_by_its_weights(tmp_path, monkeypatch):
    """fp32 is verified first, from a file that is byte for byte the one of `compiled`."""
    session = Session(
        Options(
            models=(parse_spec(MODEL, ROOT),), weights=None, images=None, variants=(),
            reference="fp32", device="cpu", batches=(), threads=1, seconds=1.0,
            build_seconds=600.0, profile=False, calibration=None, verify_images=8,
            cache=tmp_path, rebuild=None,
        )
    )  # fmt: skip
    monkeypatch.setattr(RUNTIMES["inductor"], "supports", lambda *_: None)
    monkeypatch.setattr(RUNTIMES["inductor"], "load", _rolled)
    fp32, compiled = (Case(MODEL, name, "cpu", 1) for name in ("fp32", "compiled"))
    assert session.verify(fp32).agreement.state != "BROKEN"
    assert session.artifact(fp32).sha256 == session.artifact(compiled).sha256
    assert session.verify(compiled).agreement.state == "BROKEN"


def _rolled(path, row, device, architecture, threads) -> Deployment:
    """Eager, with every class's logit given to the next one."""
    plain = RUNTIMES["eager"].load(path, row, device, architecture, threads)
    return replace(plain, read=lambda output: plain.read(output)[:, ::-1].copy())


@pytest.mark.parametrize("name", ["fp32", "int8-dynamic"])
def test_another_cpu_is_another_artifact(monkeypatch, model, name):
    before = identity.of_artifact(model, variant(name), None)
    monkeypatch.setattr(environment, "cpu", lambda: {"model": "another", "isa": []})
    assert identity.of_artifact(model, variant(name), None) != before


def test_another_version_of_what_builds_it_is_another_artifact(monkeypatch, model):
    row = replace(variant("fp32"), requires=("nncf>=3.0",))
    found = []
    for number in ("3.0", "3.1"):
        monkeypatch.setattr(environment, "installed", lambda _, number=number: number)
        found.append(identity.of_artifact(model, row, None))
    assert found[0]["builders"] == {"nncf": "3.0"}
    assert found[0] != found[1]


def test_what_changes_the_arithmetic_is_another_result(monkeypatch):
    before = logits(variant("fp32"))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert logits(variant("fp32")) != before


@pytest.fixture(scope="module")
def model():
    from vitbench.models import load_model

    return load_model(parse_spec(MODEL, ROOT), None)
