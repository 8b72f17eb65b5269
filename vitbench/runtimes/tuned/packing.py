"""How the layers of `layers.py` lay out the weights of a model."""

import copy
from typing import Any

from vitbench.runtimes.tuned.library import Isa

STEP = 8  # inputs of a linear layer are filled up to a multiple of it


def pack(weight: Any, bias: Any, isa: Isa, precision: str) -> tuple[Any, Any]:
    """A weight (n, k) as panels (panels, k * columns), and what belongs to each column.

    n and k are filled up with zeros to multiples of `isa.columns` and of STEP; four int8 of an
    output channel lie beside each other, or two bfloat16, as `precision` says. The second, float32
    (3, panels * columns), has a channel's scale, the sum of its int8 values, and its bias: 1 and 0
    for bfloat16.
    """
    import torch

    n, k = weight.shape
    whole = torch.zeros(-(-n // isa.columns) * isa.columns, -(-k // STEP) * STEP)
    whole[:n, :k] = weight
    if precision == "bf16":
        scales, sums = torch.ones(len(whole)), torch.zeros(len(whole))
        values, together = whole.bfloat16(), 2
    else:
        scales = whole.abs().amax(1).clamp_min(1e-30) / isa.largest
        values = (whole / scales[:, None]).round()
        sums, values, together = values.sum(1), values.to(torch.int8), 4
    panels = values.view(-1, isa.columns, whole.shape[1] // together, together).transpose(1, 2)
    biases = torch.zeros(len(whole))
    if bias is not None:
        biases[:n] = bias
    return panels.flatten(1).contiguous(), torch.stack((scales, sums, biases))


def by_head(qkv: Any, heads: int) -> Any:
    """A linear layer of queries, keys and values, with outputs (heads, 3, d), not (3, heads, d):
    what a head needs lies together, mostly in the cache of the core that computed it."""
    changed = copy.deepcopy(qkv)
    for each in (changed.weight, changed.bias):
        if each is not None:
            parted = each.detach().unflatten(0, (3, heads, -1)).transpose(0, 1)
            each.data = parted.flatten(0, 2).contiguous()
    return changed
