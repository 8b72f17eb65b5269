"""The arithmetic of a model: what a percentage of a machine's peak is a percentage of."""

from collections.abc import Sequence
from typing import Any

from vitbench.models.base import Model


def flops(model: Model) -> int:
    """Floating-point operations of one image, of a model: `flops_of` its module."""
    return flops_of(model.module, model.architecture["image"])


def flops_of(module: Any, shape: Sequence[int]) -> int:
    """Floating-point operations of one image: two for each multiply-add of every matrix product.

    Counted by torch.utils.flop_counter in linear layers, convolutions and attention, on shapes
    alone (the meta device); on an image where the network's own code looks at values. Attention is
    decomposed first: counters that meet it fused have missed it. ViT-B/16 is 35.1e9; its published
    17.58 GMACs include a little that is no matrix product.
    """
    import copy

    import torch

    try:
        return _counted(copy.deepcopy(module).to("meta"), torch.empty(1, *shape, device="meta"))
    except Exception:  # whatever a network does with values that are not there
        return _counted(module, torch.zeros(1, *shape))


def _counted(module: Any, image: Any) -> int:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter, sdpa_kernel(SDPBackend.MATH):
        module(image)
    return int(counter.get_total_flops())
