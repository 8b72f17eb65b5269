"""Weights that int8 ruins in one layer of timm's ViT, and that change nothing in float."""


def ruin(module, name):
    """Make the first input of the layer zero, and its weights so large that int8 rounds the others
    away, whether a scale is a channel's or the tensor's.

    The pixel that the patch convolution sees first has to be zero in the images.
    """
    if name == "head":
        _zero(module.norm, 0)
    elif name != "patch_embed.proj":
        _silence(module.get_submodule(name.rsplit(".", 2)[0]), name.rpartition(".")[2])
    module.get_submodule(name).weight.data.flatten(1)[:, 0] = 1e4


def _silence(block, layer):
    qkv = block.attn.qkv
    before, output = {
        "qkv": (block.norm1, 0),
        "proj": (qkv, 2 * qkv.out_features // 3),
        "fc1": (block.norm2, 0),
        "fc2": (block.mlp.fc1, 0),
    }[layer]
    _zero(before, output)


def _zero(layer, output):
    layer.weight.data[output], layer.bias.data[output] = 0, 0
