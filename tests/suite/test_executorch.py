"""What ExecuTorch's graph computes where XNNPACK has no operator of its own."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as theirs

from vitbench.runtimes.executorch import _attention


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"mask": "bool"},
        {"mask": "float"},
        {"causal": True},
        {"scale": 0.5},
        {"enable_gqa": True},
    ],
)
def test_attention_is_torchs(more):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 5, 8) for _ in range(3))
    if more.get("enable_gqa"):
        key, value = key[:, :2], value[:, :2]
    mask, causal = None, more.pop("causal", False)
    if kind := more.pop("mask", None):
        mask = torch.randn(2, 1, 5, 5)
        mask = mask > -1 if kind == "bool" else mask
    expected = theirs(query, key, value, mask, is_causal=causal, **more)
    found = _attention(query, key, value, mask, 0.0, causal, **more)
    assert torch.allclose(found, expected, atol=1e-6)


def test_attention_that_drops_weights_is_refused():
    with pytest.raises(RuntimeError, match="drops weights at random"):
        _attention(*(torch.randn(1, 1, 2, 4) for _ in range(3)), None, 0.1)
