"""What ExecuTorch's graph computes where XNNPACK has no operator of its own."""

from typing import ClassVar

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as theirs
from torch.utils._python_dispatch import TorchDispatchMode

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


def test_attention_within_windows_has_one_more_dimension():
    """As Hiera's: images, heads, windows."""
    query, key, value = (torch.randn(2, 3, 4, 5, 8) for _ in range(3))
    assert torch.allclose(_attention(query, key, value), theirs(query, key, value), atol=1e-6)


def test_the_exporter_of_onnx_is_shown_four_dimensions_of_it():
    from vitbench.runtimes.onnx_graph import _attention_of_four_dimensions

    class Seen(TorchDispatchMode):
        shapes: ClassVar[list[int]] = []

        def __torch_dispatch__(self, function, _, args=(), kwargs=None):
            if "attention" in str(function):
                self.shapes.append(args[0].dim())
            return function(*args, **(kwargs or {}))

    functional = torch.nn.functional
    each = [torch.randn(2, 3, 4, 5, 8) for _ in range(3)]
    with _attention_of_four_dimensions(), Seen(), torch.inference_mode():
        found = functional.scaled_dot_product_attention(*each)
        four = functional.scaled_dot_product_attention(*(x[0] for x in each), is_causal=True)
    assert functional.scaled_dot_product_attention is theirs
    assert torch.allclose(found, theirs(*each), atol=1e-6)
    assert torch.allclose(four, theirs(*(x[0] for x in each), is_causal=True), atol=1e-6)
    assert {*Seen.shapes} == {4}


@pytest.mark.thorough
def test_what_the_exporter_of_onnx_refuses_is_one_sentence(tmp_path):
    pytest.importorskip("onnxscript", reason="onnxscript is in the extra runtimes")
    from vitbench.errors import Unavailable
    from vitbench.runtimes import onnx_graph

    class Refused(torch.nn.Module):
        def forward(self, images):
            return torch.linalg.eigvals(images.mean(1)).real

    with pytest.raises(Unavailable, match=r"^torch.onnx cannot export the model: .*eig"):
        onnx_graph.write(Refused(), (3, 8, 8), tmp_path / "a.onnx")


def test_seeded_weights_are_not_all_zero():
    from vitbench.models.weights import synthesize

    def make():
        layer = torch.nn.Linear(8, 4)
        torch.nn.init.zeros_(layer.weight)
        return torch.nn.Sequential(torch.nn.Linear(8, 8), layer)

    first, again = synthesize(make), synthesize(make)
    assert first[1].weight.any()
    assert torch.equal(first[1].weight, again[1].weight)
