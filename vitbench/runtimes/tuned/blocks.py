"""Which blocks of timm and transformers are just norm, attention, norm and two linear layers."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parts:
    """The layers of a block, whoever wrote it. A scale is a LayerScale or the identity.

    `qkv` gives queries, keys and values; `qkv_of` are the block's layers that it is made of.
    """

    norm1: Any
    qkv: Any
    qkv_of: tuple[Any, ...]
    heads: int
    proj: Any
    norm2: Any
    fc1: Any
    fc2: Any
    scale1: Any = None
    scale2: Any = None
    traced: bool = False  # not scripted, and called with more than its input


def parts(block: Any) -> Parts | None:
    """The parts of a block, or None for any other block."""
    found = _of_timm(block) or _of_transformers(block)
    return found if found and found.qkv.out_features // 3 // found.heads % 2 == 0 else None


def last_block(module: Any) -> tuple[Any, int]:
    """The last block of a ViT, and how many tokens its head reads of it; 0 means all."""
    from timm.models.deit import VisionTransformerDistilled
    from timm.models.vision_transformer import VisionTransformer

    for each in module.modules():
        if type(each) in (VisionTransformer, VisionTransformerDistilled):
            tokens = each.num_prefix_tokens if each.global_pool == "token" else 0
            return each.blocks[-1], tokens
        if _is_transformers(each, "ForImageClassification"):
            return each.base_model.layers[-1], 1
    return None, 0


def is_plain_mlp(mlp: Any) -> bool:
    """Whether it is timm's Mlp, whose activation takes all that its first linear layer gives."""
    import torch
    from timm.layers import Mlp

    return type(mlp) is Mlp and _is_gelu(mlp.act) and isinstance(mlp.fc1, torch.nn.Linear)


def _is_gelu(layer: Any) -> bool:
    """Whether it is the GELU that our layers compute, of torch's or transformers' class."""
    import torch

    if type(layer).__name__ == "GELUActivation":
        layer = torch.nn.GELU() if layer.act is torch.nn.functional.gelu else None
    return isinstance(layer, torch.nn.GELU) and layer.approximate == "none"


def _of_timm(block: Any) -> Parts | None:
    import torch
    from timm.layers import Attention, LayerScale
    from timm.models.vision_transformer import Block

    if type(block) is not Block or type(block.attn) is not Attention:
        return None
    attn, mlp = block.attn, block.mlp
    between = (attn.q_norm, attn.k_norm, attn.norm, block.drop_path1, block.drop_path2)
    plain = (
        attn.gate is None
        and all(isinstance(each, torch.nn.Identity) for each in between)
        and all(type(ls) in (LayerScale, torch.nn.Identity) for ls in (block.ls1, block.ls2))
        and all(isinstance(each, torch.nn.LayerNorm) for each in (block.norm1, block.norm2))
        and all(each.bias is not None for each in (block.norm1, block.norm2))
        and is_plain_mlp(mlp)
        and isinstance(mlp.norm, torch.nn.Identity)
    )
    if not plain:
        return None
    return Parts(
        block.norm1,
        attn.qkv,
        (attn.qkv,),
        int(attn.num_heads),
        attn.proj,
        block.norm2,
        mlp.fc1,
        mlp.fc2,
        block.ls1,
        block.ls2,
    )


def _of_transformers(block: Any) -> Parts | None:
    import torch

    if not _is_transformers(block, "Layer") or not _is_gelu(block.mlp.activation_fn):
        return None
    attn, mlp = block.attention, block.mlp
    three = (attn.q_proj, attn.k_proj, attn.v_proj)
    qkv = torch.nn.Linear(three[0].in_features, sum(each.out_features for each in three))
    with torch.no_grad():
        qkv.weight.copy_(torch.cat([each.weight for each in three]))
        biases = [each.bias for each in three]
        qkv.bias.copy_(torch.zeros(()) if biases[0] is None else torch.cat(biases))
    return Parts(
        block.layernorm_before,
        qkv,
        three,
        int(attn.num_attention_heads),
        attn.o_proj,
        block.layernorm_after,
        mlp.fc1,
        mlp.fc2,
        traced=True,
    )


def _is_transformers(module: Any, kind: str) -> bool:
    """Whether it is a class of transformers' ViT or DeiT, by name: nothing else imports them."""
    named = type(module).__module__, type(module).__name__
    return named in {
        ("transformers.models.vit.modeling_vit", f"ViT{kind}"),
        ("transformers.models.deit.modeling_deit", f"DeiT{kind}"),
    }
