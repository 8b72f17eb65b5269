"""A model of twelve int8 layers in three blocks, and a head: any of them can be planted broken.

A column of the layer's weights, whose inputs are always zero, has the size `outlier`: the float
network answers as before, and one scale for all weights rounds the other columns away.
"""

from pathlib import Path

from vitbench.case import Case
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import ModelSpec

PLACES = [
    f"blocks.{block}.{kind}"
    for block in range(3)
    for kind in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
]
BROKEN, HARMLESS = 300.0, 0.3
ROOT = Path(__file__).resolve().parents[2]


def network(place=-1, outlier=BROKEN):
    """The factory `py:tests.helpers.layered:network`: a seeded ViT, with its preprocessing."""
    import timm
    import torch

    torch.manual_seed(0)
    made = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=3, embed_dim=48, num_heads=3, num_classes=10
    ).eval()
    made.requires_grad_(False)
    for module in made.modules():
        if isinstance(module, torch.nn.Linear):  # so that each block changes the answer
            module.weight.normal_(std=module.in_features**-0.5)
    if place >= 0:
        _plant(made, PLACES[place], outlier)
    return made, {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3}


def _plant(made, name, outlier):
    block, kind = made.blocks[int(name.split(".")[1])], name.split(".")[-1]
    if kind in ("qkv", "fc1"):
        norm = block.norm1 if kind == "qkv" else block.norm2
        norm.weight[0], norm.bias[0] = 0, 0
    elif kind == "proj":  # the first value that attention mixes
        width = block.attn.proj.in_features
        block.attn.qkv.weight[2 * width], block.attn.qkv.bias[2 * width] = 0, 0
    else:
        block.mlp.fc1.weight[0], block.mlp.fc1.bias[0] = 0, 0  # GELU leaves zero
    made.get_submodule(name).weight[:, 0] = outlier


def session(folder, variant="int8-dynamic", images=16, **args):
    """A session of that model, and its case of a variant."""
    spec = ModelSpec(
        "m", "py", "tests.helpers.layered:network", None, "py:tests.helpers.layered:network",
        args=args,
    )  # fmt: skip
    options = Options(
        models=(spec,), threads=1, cache=folder, verify_images=images, import_roots=(ROOT,)
    )
    return Session(options), Case("m", variant, "cpu", 1)
