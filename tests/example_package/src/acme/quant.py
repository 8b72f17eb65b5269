"""Recipes: functions from a module, and calibration images or None, to the module to be built."""

import torch


def rounded(module, images):
    """Weights of linear layers to 8 bits, a scale per output channel."""
    if images is not None:
        raise ValueError("the recipe takes no calibration images")
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, torch.nn.Linear):
                scale = layer.weight.abs().amax(1, keepdim=True) / 127
                layer.weight.copy_((layer.weight / scale).round() * scale)
    return module


class Clipped(torch.nn.Module):
    """A module whose images stay in the range that calibration images have."""

    def __init__(self, module, low, high):
        super().__init__()
        self.module, self.low, self.high = module, low, high

    def forward(self, images):
        return self.module(images.clamp(self.low, self.high))


def clipped(module, images):
    """The range of the calibration images, float32 (N, 3, H, W)."""
    return Clipped(module, float(images.min()), float(images.max()))


def swapped(module, _):
    """A mistake: the first two classes in each other's place."""
    with torch.no_grad():
        for values in (module.head.weight, module.head.bias):
            values[:2] = values[:2].flip(0)
    return module


def emptied(module, _):
    """A mistake: a layer that is zero."""
    with torch.no_grad():
        module.block.linear2.weight.zero_()
        module.block.self_attn.out_proj.weight.zero_()
    return module
