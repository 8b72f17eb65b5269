"""Small random models of transformers, a folder each, as transformers saves them itself."""

from pathlib import Path

VIT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 128, "image_size": 32, "patch_size": 8,
}  # fmt: skip
DINO = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 4,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
SWIN = {
    "image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2],
    "window_size": 4,
}  # fmt: skip
MOBILE = {
    "image_size": 32, "hidden_sizes": [48, 48, 48], "num_attention_heads": 2,
    "neck_hidden_sizes": [8, 8, 8, 8, 8, 8, 16],
    "initializer_range": 0.4,  # smaller ones give logits of nothing but 0
}  # fmt: skip
CONV = {"image_size": 32, "hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2}
TEXT = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 99, "max_position_embeddings": 9, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
TWO = {"vision_config": VIT, "text_config": TEXT}
SQUARE = {"size": {"height": 32, "width": 32}}
CROPPED = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}
CLASSES = 5
# Class, arguments of its config, image processor and what it is told.
CLASSIFIERS = {
    "vit": ("ViTForImageClassification", VIT, "ViTImageProcessor", SQUARE),
    "deit": ("DeiTForImageClassification", VIT, "DeiTImageProcessor",
             {"size": {"height": 36, "width": 36}, "crop_size": {"height": 32, "width": 32}}),
    "deit-teacher": ("DeiTForImageClassificationWithTeacher", VIT, "DeiTImageProcessor", SQUARE
                     | {"do_center_crop": False}),
    "beit": ("BeitForImageClassification", VIT | {"use_relative_position_bias": True},
             "BeitImageProcessor", SQUARE | {"do_center_crop": False}),
    "swin": ("SwinForImageClassification", SWIN, "ViTImageProcessor", SQUARE),
    "dinov2": ("Dinov2ForImageClassification", DINO, "BitImageProcessor", CROPPED),
    "siglip": ("SiglipForImageClassification", TWO, "SiglipImageProcessor", SQUARE),
    "convnext": ("ConvNextForImageClassification",
CONV, "ConvNextImageProcessor", {"size": {"shortest_edge": 32}, "crop_pct": 0.875}),
    "mobilevit": ("MobileViTForImageClassification", MOBILE, "MobileViTImageProcessor",
                  {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}),
}  # fmt: skip

# And the name of the embedding in the output object of the class, or of the whole.
TOWERS = {
    "vit": ("ViTModel", VIT, "ViTImageProcessor", SQUARE, "pooler_output"),
    "dinov2": ("Dinov2Model", DINO, "BitImageProcessor", CROPPED, "pooler_output"),
    "clip": ("CLIPVisionModelWithProjection", VIT | {"projection_dim": 24}, "CLIPImageProcessor",
             CROPPED, "image_embeds"),
    "siglip": ("SiglipVisionModel", VIT, "SiglipImageProcessor", SQUARE, "pooler_output"),
    "convnext": ("ConvNextModel", CONV, "ConvNextImageProcessor", {"size": {"shortest_edge": 32}},
                 "pooler_output"),
    "whole-clip": ("CLIPModel", TWO | {"projection_dim": 24}, "CLIPImageProcessor", CROPPED, None),
    "whole-siglip": ("SiglipModel", TWO, "SiglipImageProcessor", SQUARE, None),
}  # fmt: skip

TOWER_NAMES = [f"tower-{name}" for name in TOWERS]


def write(folder: Path, name: str, **config) -> Path:
    """The folder of a row of CLASSIFIERS, with `config` beside its own."""
    kind, own, processor, told = CLASSIFIERS[name]
    return save(folder, kind, {"num_labels": CLASSES, **own, **config}, processor, told)


def write_tower(folder: Path, name: str) -> Path:
    """The folder of a row of TOWERS."""
    return save(folder, *TOWERS[name][:4])


def any_of(folder: Path, name: str) -> Path:
    """The folder of a row of CLASSIFIERS, or of `tower-` and a row of TOWERS."""
    tower = name.removeprefix("tower-")
    return write(folder, name) if tower == name else write_tower(folder, tower)


def save(folder: Path, kind: str, config: dict, processor: str, told: dict) -> Path:
    import torch
    import transformers

    made = getattr(transformers, kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made(made.config_class(**config)).save_pretrained(folder)
    getattr(transformers, processor)(**told).save_pretrained(folder)
    return folder
