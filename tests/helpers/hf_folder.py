"""The bundled DeiT-Tiny as a Hugging Face folder: `python -m tests.helpers.hf_folder DIR`.

timm's DeiT and transformers' ViT are the same network under other names, so one trained checkpoint
serves both sources, and each can be held against the other.
"""

import sys
from pathlib import Path

from tests.conftest import ROOT
from vitbench.models import load_model, parse_spec

# The hub's name of each part of a block, after timm's. (transformers 5 renames them on loading.)
BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
WHOLE = {
    "cls_token": "vit.embeddings.cls_token",
    "pos_embed": "vit.embeddings.position_embeddings",
    "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
    "norm": "vit.layernorm",
    "head": "classifier",
}


def write(folder: Path) -> Path:
    """A folder as google/vit-base-patch16-224 is on the hub, with the bundled weights."""
    from safetensors.torch import save_file
    from transformers import ViTConfig, ViTImageProcessor

    model = load_model(parse_spec("deit_tiny_patch16_224", ROOT), "bundled")
    names = {index: label.name for index, label in enumerate(model.labels)}
    ViTConfig(
        architectures=["ViTForImageClassification"], hidden_size=192, num_hidden_layers=12,
        num_attention_heads=3, intermediate_size=768, layer_norm_eps=1e-6, id2label=names,
        label2id={name: index for index, name in names.items()},
    ).save_pretrained(folder)  # fmt: skip
    state = {name: each.clone() for name, each in renamed(model.module.state_dict()).items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    ViTImageProcessor(
        size={"height": 224, "width": 224}, resample=3,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)  # fmt: skip
    return folder


def renamed(state):
    """timm's state dict under transformers' names; the joint qkv is three layers there."""
    found = {}
    for name, value in state.items():
        part, _, kind = name.rpartition(".")
        if name in WHOLE or part in WHOLE:
            found[WHOLE[name] if name in WHOLE else f"{WHOLE[part]}.{kind}"] = value
            continue
        _, block, part = part.split(".", 2)
        layer = f"vit.encoder.layer.{block}"
        if part == "attn.qkv":
            for each, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[f"{layer}.attention.attention.{each}.{kind}"] = third
        else:
            found[f"{layer}.{BLOCK[part]}.{kind}"] = value
    return found


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
