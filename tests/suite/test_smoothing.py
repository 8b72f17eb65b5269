"""Smoothing changes nothing in float, and finds its layers by what they are given."""

import numpy as np
import pytest
import torch

from tests.helpers.smoothing import fed_by_norms, smoothed
from vitbench.runtimes.linear_layers import linear_names

IMAGES = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)


def of_timm():
    import timm

    arguments = {"img_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 3, "num_classes": 7}
    return timm.create_model("vit_tiny_patch16_224", **arguments)


def of_transformers():
    """Queries, keys and values are layers of their own."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        image_size=32, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, num_labels=7,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config)


@pytest.mark.parametrize(("make", "layers"), [(of_timm, [1, 1] * 2), (of_transformers, [3, 1] * 2)])
def test_it_is_the_same_network_in_float(make, layers):
    torch.manual_seed(0)
    model, x = make().eval().requires_grad_(False), torch.from_numpy(IMAGES)
    for each in model.modules():
        if isinstance(each, torch.nn.LayerNorm):  # a few channels are larger than the others
            each.weight[::7] *= 30
            each.bias += 0.5
    found = fed_by_norms(model, linear_names(model), IMAGES)
    assert [len(each) for each in found.values()] == layers
    changed, norms = smoothed(model, linear_names(model), 0.5, IMAGES)
    assert norms == list(found)
    weights = [each.get_submodule(norms[0]).weight for each in (model, changed)]
    assert weights[1].std() < weights[0].std() / 2
    wanted, got = (each(x) for each in (model, changed))
    wanted, got = (getattr(each, "logits", each) for each in (wanted, got))
    assert torch.allclose(got, wanted, atol=1e-5)


class Block(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.norm = kind, torch.nn.LayerNorm(32)
        self.one, self.two = torch.nn.Linear(32, 32), torch.nn.Linear(32, 32)

    def forward(self, images):
        x = self.norm(images.mean(1))
        if self.kind == "both":
            return self.one(x) + self.two(x[:, : x.shape[1]])
        if self.kind == "residual":
            return x + self.one(x)
        if self.kind == "twice":
            return self.two(self.one(self.one(x)))
        return self.two(self.one(x))


@pytest.mark.parametrize(
    ("kind", "found"), [("plain", {"norm": ["one"]}), ("both", {}), ("residual", {}), ("twice", {})]
)
def test_a_norm_that_something_else_reads_stays(kind, found):
    assert fed_by_norms(Block(kind), ["one", "two"], IMAGES) == found
