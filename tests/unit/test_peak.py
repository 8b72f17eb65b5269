"""The roof and the arithmetic below it."""

import pytest
import torch

from tests.conftest import ROOT
from vitbench.measure import peak
from vitbench.models import flops, load_model, parse_spec


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("deit_tiny_patch16_224", 2.51),
        ("deit_small_patch16_224", 9.20),
        ("deit_base_patch16_224", 35.13),
    ],
)
def test_operations_are_twice_the_published_multiply_adds_and_count_attention(name, billions):
    # Published GMACs: 1.26, 4.61 and 17.58, with what is no matrix product.
    counted = flops(load_model(parse_spec(name, ROOT), "seeded")) / 1e9
    assert counted == pytest.approx(billions, rel=0.002)


def test_the_roof_has_a_figure_for_each_precision_and_restores_the_engine(monkeypatch):
    monkeypatch.setattr(peak, "SIDE", 64)
    monkeypatch.setattr(peak, "SECONDS", 0.0)
    before = torch.backends.quantized.engine
    found = peak.peaks("cpu", 1)
    assert set(found) == {"fp32", "bf16", "int8"}
    assert all(value > 0 for value in found.values())
    assert torch.backends.quantized.engine == before


def test_the_best_kernel_of_a_precision_counts_and_one_that_cannot_is_left_out(monkeypatch):
    def refused():
        raise RuntimeError("not implemented")

    products = [
        ("int8", lambda: 4.0),
        ("int8", lambda: 2.0),
        ("int8", lambda: 3.0),
        ("fp8", refused),
    ]
    monkeypatch.setattr(peak, "_products", lambda _: products)
    monkeypatch.setattr(peak, "_least_seconds", lambda product, _: product())
    assert peak.peaks("cpu", 1) == {"int8": 2 * peak.SIDE**3 / 2.0}
