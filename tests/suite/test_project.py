"""A project's own model and variant in real processes: they travel whole, and so does its code."""

import sys

import numpy as np
import pytest

from vitbench import team_code
from vitbench.case import Case
from vitbench.measure.options import read_options
from vitbench.measure.session import Session
from vitbench.project.project import project_at

VISION = """
import torch

class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 4)

    def forward(self, images):
        return self.head(images.mean((2, 3))){more}

def small():
    torch.manual_seed(1)
    data = {{"input_size": (3, 16, 16), "mean": (0.5,) * 3, "std": (0.5,) * 3, "crop_pct": 1.0}}
    return Small(), data, ["a", "b", "c", "d"]
"""
PROJECT = """
[tool.vitbench.models]
own = "py:acme_suite.vision:small"

[tool.vitbench.variants.acme-scripted]
runtime = "torchscript"
limits = "half"
precision = "bf16"
"""
GIVEN = {"model": [], "threads": 1, "verify_images": 8, "cache_limit": None, "build_memory": None}


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """Call it with what `forward` adds: a session of the project in its folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    package = tmp_path / "src" / "acme_suite"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(PROJECT)

    def session(more=""):
        (package / "vision.py").write_text(VISION.format(more=more))
        for name in [name for name in sys.modules if name.startswith("acme_suite")]:
            del sys.modules[name]
        given = {**GIVEN, "cache": str(tmp_path / "cache")}
        return Session(read_options(given, package, project_at(package)))

    yield session
    team_code.use(())
    for name in [name for name in sys.modules if name.startswith("acme_suite")]:
        del sys.modules[name]


def test_a_variant_and_a_model_of_a_project_are_built_and_run_in_other_processes(acme):
    """The worker imports the model's code from src/, and knows the variant by its definition."""
    session = acme()
    (row,) = session.options.project_variants
    case = Case("own", row.name, "cpu", 1)
    verification = session.verify(case)
    assert verification.agreement.sentence.startswith("acme-scripted on cpu, batch 1")
    assert session.artifact(case).path.suffix == ".pt"
    fresh, images = session.first_loads.fresh(case), session.first_batch(case)
    assert np.allclose(fresh.answers[0], session.deployment(case).logits(images))
    assert fresh.figures["first_inference_seconds"] > 0


@pytest.mark.thorough
def test_an_edit_of_a_model_s_code_counts_where_its_weights_stay(acme):
    """The artifact of fp32 is a state dict, the same one: what it answers is asked again."""
    case = Case("own", "fp32", "cpu", 1)
    before = acme().verifications.logits(case)
    assert np.array_equal(acme().verifications.logits(case), before)
    session = acme(" + 1")
    assert np.allclose(session.verifications.logits(case), before + 1)
