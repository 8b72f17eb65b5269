"""A project's own code that remembers what it answered is timed nowhere: a cache is no speed."""

from dataclasses import replace

import pytest

from vitbench.case import Case
from vitbench.duet.worker import Arm
from vitbench.errors import WrongOutputs
from vitbench.measure.measuring import measure_in_pairs
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_specs
from vitbench.runtimes import variant

CODE = """
import torch

class Remembering(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.answers = inner, {}

    def forward(self, images):
        key = images.numpy().tobytes()
        if key not in self.answers:
            self.answers[key] = self.inner(images)
        return self.answers[key]

def network():
    torch.manual_seed(7)
    layers = [torch.nn.Conv2d(3, 96, 16, 16), torch.nn.Flatten(), torch.nn.GELU()]
    wide = [torch.nn.Linear(96 * 36, 3000), torch.nn.GELU(), torch.nn.Linear(3000, 5)]
    return torch.nn.Sequential(*layers, *wide)

DATA = {"input_size": (3, 96, 96), "mean": (0.5,) * 3, "std": (0.25,) * 3}

def honest(): return network(), DATA

def remembers(): return Remembering(network()), DATA

def caching(module, _): return Remembering(module)

def plain(module, _): return module
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    tmp_path, name = tmp_path_factory.mktemp("project"), "acme_remembering"
    (tmp_path / f"{name}.py").write_text(CODE)
    rows = [
        replace(variant("fp32"), name=each, transform=f"{name}:{each}", origin="pyproject.toml")
        for each in ("caching", "plain")
    ]
    models = [f"{each}=py:{name}:{each}" for each in ("honest", "remembers")]
    made = Session(
        Options(
            models=parse_specs(models, tmp_path), threads=1, cache=tmp_path / "cache",
            verify_images=8, seconds=0.1, import_roots=(tmp_path,), project_variants=tuple(rows),
        )
    )  # fmt: skip
    made.figures.measured_peaks["cpu"] = {"fp32": 1e11}  # to measure it takes seconds
    return made


def test_honest_code_is_timed(session):
    found = measure_in_pairs(session, Case("honest", "plain", "cpu", 1), 4)
    assert len(found.seconds) >= 4
    names = {case.variant for case in session.remembers_nothing}
    assert names == {"plain", "fp32"}  # the reference, too: the network is the project's


CACHES = [
    pytest.param("honest", "caching", id="a transform"),
    pytest.param("remembers", "fp32", id="a network", marks=pytest.mark.thorough),
]


@pytest.mark.parametrize(("model", "name"), CACHES)
def test_a_cache_is_refused_before_the_rounds(session, model, name):
    case = Case(model, name, "cpu", 1)
    with pytest.raises(WrongOutputs, match=f"^{model}/.*: something remembers results"):
        measure_in_pairs(session, case, 4, lambda *_: pytest.fail("rounds"))


def test_a_cache_is_refused_by_an_arm_of_a_duet(session, tmp_path):
    arm = Arm()
    arm._session = session
    request = {"case": "honest/caching/cpu/b1", "folder": str(tmp_path), "trees": None}
    with pytest.raises(WrongOutputs, match="something remembers results"):
        arm.prepare(request)
    assert arm.prepare({**request, "case": "honest/plain/cpu/b1"})["load"]
