"""The families of image networks in docs/families.md: a small member of each, from timm and from
transformers, whose weights are made here from a seed."""

from pathlib import Path
from typing import NamedTuple

from tests.helpers import hf_families
from tests.helpers.hf_families import CLASSES, CROPPED, DINO, SQUARE, SWIN, VIT


class Family(NamedTuple):
    """`model` is what `--model` takes, after `timm:`; of transformers the name of a row that
    `hf_families` or MORE has. `note` says where the network is not the whole of its name."""

    name: str
    source: str
    model: str
    note: str = ""

    @property
    def id(self) -> str:
        """Its name in the file of results."""
        return f"{self.source}:{self.model.partition(',')[0]}"

    def spec(self, folder: Path) -> str:
        """What `--model` takes. A model of transformers is written to `folder` first."""
        if self.source == "timm":
            return f"timm:{self.model}"
        path = folder / self.model
        if not (path / "preprocessor_config.json").is_file():
            write(path, self.model)
        return str(path)


# 12 blocks of one kind tell a runtime nothing that 2 do not, and take six times as long.
TWO_BLOCKS = "2 blocks"
TWO_EACH = "2 blocks a stage"
STAGES = "depths=[2,2,2,2]"
SMALL = "2 blocks, 32 wide, 32 pixels"

# Classes of transformers that no test of one class has.
DINO3 = {**VIT, "num_register_tokens": 2}
LEVIT = {
    "image_size": 32, "hidden_sizes": [16, 32, 48], "num_attention_heads": [1, 2, 3],
    "depths": [1, 1, 1], "key_dim": [8, 8, 8], "patch_size": 16,
    "initializer_range": 0.4,  # smaller ones give logits of nothing but 0
}  # fmt: skip
MORE = {
    "swinv2": ("Swinv2ForImageClassification", SWIN, "ViTImageProcessor", SQUARE),
    "dinov2-registers": ("Dinov2WithRegistersForImageClassification",
                         DINO | {"num_register_tokens": 2}, "BitImageProcessor", CROPPED),
    "tower-dinov3": ("DINOv3ViTModel", DINO3, "BitImageProcessor", CROPPED),
    "levit": ("LevitForImageClassification", LEVIT, "ViTImageProcessor", SQUARE),
}  # fmt: skip

FAMILIES = (
    Family("ViT", "timm", "vit_tiny_patch16_224"),
    Family("DeiT", "timm", "deit_tiny_patch16_224"),
    Family("DeiT, distilled", "timm", "deit_tiny_distilled_patch16_224"),
    Family("Swin", "timm", f"swin_tiny_patch4_window7_224,{STAGES}", TWO_EACH),
    Family("Swin V2", "timm", f"swinv2_tiny_window8_256,{STAGES}", TWO_EACH),
    Family("BEiT", "timm", "beit_base_patch16_224,depth=2", TWO_BLOCKS),
    Family("EVA-02", "timm", "eva02_tiny_patch14_224,depth=2", TWO_BLOCKS),
    Family("DINOv2 with registers, 518 pixels", "timm", "vit_small_patch14_reg4_dinov2"),
    Family("DINOv3", "timm", "vit_tiny_patch16_dinov3_qkvb,depth=2", TWO_BLOCKS),
    Family("MobileViT", "timm", "mobilevit_xxs"),
    Family("LeViT", "timm", "levit_128s"),
    Family("EfficientFormer", "timm", "efficientformer_l1"),
    Family("ConvNeXt", "timm", "convnext_atto"),
    Family("CLIP's tower", "timm", "vit_xsmall_patch16_clip_224"),
    Family("SigLIP's tower", "timm", "vit_base_patch16_siglip_224,depth=2", TWO_BLOCKS),
    Family("Hiera", "timm", "hiera_tiny_224"),
    Family("NaFlexViT", "timm", "naflexvit_base_patch16_gap,depth=2", TWO_BLOCKS),
    Family("CaiT", "timm", "cait_xxs24_224,depth=2", "2 blocks, and 2 of class attention"),
    Family("XCiT", "timm", "xcit_nano_12_p16_224,depth=2", TWO_BLOCKS),
    Family("ConViT", "timm", "convit_tiny"),
    Family("ViT", "transformers", "vit", SMALL),
    Family("DeiT", "transformers", "deit", SMALL),
    Family("DeiT, distilled", "transformers", "deit-teacher", SMALL),
    Family("Swin", "transformers", "swin", "2 blocks, 16 wide, 32 pixels"),
    Family("Swin V2", "transformers", "swinv2", "2 blocks, 16 wide, 32 pixels"),
    Family("BEiT", "transformers", "beit", SMALL),
    Family("DINOv2", "transformers", "dinov2", SMALL),
    Family("DINOv2 with registers", "transformers", "dinov2-registers", SMALL),
    Family("DINOv3", "transformers", "tower-dinov3", SMALL),
    Family("MobileViT", "transformers", "mobilevit", "48 wide, 32 pixels"),
    Family("LeViT", "transformers", "levit", "3 blocks, 16 to 48 wide, 32 pixels"),
    Family("ConvNeXt", "transformers", "convnext", "2 blocks, 16 and 32 wide, 32 pixels"),
    Family("CLIP's tower", "transformers", "tower-clip", SMALL),
    Family("SigLIP's tower", "transformers", "tower-siglip", SMALL),
)


def write(folder: Path, name: str) -> Path:
    """A folder of transformers with seeded weights: of a row of MORE or of `hf_families`."""
    if name not in MORE:
        return hf_families.any_of(folder, name)
    kind, config, processor, told = MORE[name]
    labels = {} if name.startswith("tower-") else {"num_labels": CLASSES}
    return hf_families.save(folder, kind, {**labels, **config}, processor, told)


def class_of(family: Family) -> str:
    """The name of the class of transformers that a family is read by."""
    name = family.model
    row = MORE.get(name) or hf_families.CLASSIFIERS.get(name)
    return (row or hf_families.TOWERS[name.removeprefix("tower-")])[0]
