"""A deployment runs on the quantized engine that its recipe names, and leaves the other one set."""

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from vitbench.errors import Unavailable
from vitbench.models import load_model, parse_spec
from vitbench.runtimes import RUNTIMES, Placement, torch_common, variant


@pytest.fixture(scope="module")
def logits(tmp_path_factory):
    """Logits of every int8 recipe without the mobile optimizer, and of the model itself."""
    model = load_model(parse_spec("deit_tiny_patch16_224", ROOT), None)
    images = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    found = {}
    for name in ("int8-dynamic", "int8-dynamic-qnnpack", "scripted-int8", "scripted-int8-qnnpack"):
        recipe, before = variant(name), torch.backends.quantized.engine
        runtime = RUNTIMES[recipe.runtime]
        try:
            runtime.supports(recipe, "cpu")
        except Unavailable as reason:
            pytest.skip(f"unavailable: {reason}")
        path = tmp_path_factory.mktemp("artifact") / f"artifact{runtime.suffix(recipe)}"
        runtime.build(model, recipe, path, None)
        deployment = runtime.load(Placement(path, recipe, "cpu", model.architecture, 1))
        found[name] = deployment.logits(images)
        assert torch.backends.quantized.engine == before
    return found


def test_scripting_changes_no_logits(logits):
    for name in ("int8-dynamic", "int8-dynamic-qnnpack"):
        scripted = logits[name.replace("int8-dynamic", "scripted-int8")]
        assert np.allclose(logits[name], scripted, atol=1e-5)


@pytest.mark.skipif(
    torch_common.engine(variant("int8-dynamic")) == "qnnpack",
    reason="the engine of this host is QNNPACK too",
)
def test_engines_round_differently(logits):
    assert not np.allclose(logits["int8-dynamic"], logits["int8-dynamic-qnnpack"], atol=1e-4)
