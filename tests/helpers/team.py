"""The repository of a team that is none of vitbench's: a factory, a recipe, a checkpoint."""

from pathlib import Path

from tests.helpers.repositories import Repository

CHECKPOINT = (
    Path(__file__).parents[2] / "fixtures" / "checkpoints" / "deit_tiny_tin20" / "model.safetensors"
)
FACTORY = '''"""The team's classifier."""

from pathlib import Path

import timm
from safetensors.torch import load_file

WEIGHTS = Path({weights!r})


def tiny():
    model = timm.create_model("deit_tiny_patch16_224", num_classes=20)
    model.load_state_dict({{name: value.float() for name, value in load_file(WEIGHTS).items()}})
    return model.eval()


def network():
    return timm.create_model("deit_tiny_patch16_224", num_classes=20).eval()
'''
RECIPE = '''"""The team's recipe: int8 linear layers."""

import copy

import torch

EXTRA_BLOCKS = 0
FUSED = True


def int8(module, _):
    for block in module.blocks:
        block.attn.fused_attn = FUSED
    for block in list(module.blocks)[:EXTRA_BLOCKS]:
        module.blocks.append(without_effect(block))
    return torch.ao.quantization.quantize_dynamic(module, {torch.nn.Linear}, torch.qint8)


def without_effect(block):
    """A copy of a block that takes its time and adds nothing."""
    block = copy.deepcopy(block)
    for layer in (block.attn.proj, block.mlp.fc2):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return block
'''
SETTINGS = """[project]
name = "acme"
version = "1"
dependencies = ["torch"]

[tool.vitbench.models]
mine = {model}

[tool.vitbench.variants.acme-int8]
runtime = "eager"
precision = "int8"
transform = "acme.recipe:int8"
"""


OPENED = '"py:acme.vision:tiny"'
NAMED = '{{ py = "acme.vision:network", checkpoint = "{weights}" }}'


class Team(Repository):
    """Commits the product in `folder`, in a flat layout or, as `src`, below src/.

    The checkpoint is tracked, and the factory opens it; or git ignores it, and the table of the
    model names it, so that both sides of a duet get it. A topic branch is checked out: what is
    committed next is a change against `main`.
    """

    def __init__(self, folder: Path, src: bool = False, tracked: bool = True) -> None:
        super().__init__(folder)
        self.code = ("src/" if src else "") + "acme"
        self.weights = "weights/tiny.safetensors"
        self.write(".gitignore", "reports/\n" + ("" if tracked else "weights/\n"))
        model = OPENED if tracked else NAMED.format(weights=self.weights)
        self.write("pyproject.toml", SETTINGS.format(model=model))
        self.write("requirements.txt", "torch\n")
        self.write("README.md", "acme\n")
        self.write(f"{self.code}/__init__.py", "")
        self.write(f"{self.code}/vision.py", FACTORY.format(weights=self.weights))
        self.write(f"{self.code}/recipe.py", RECIPE)
        self.write(self.weights, CHECKPOINT.read_bytes())
        self.commit_all("The product")
        self.git("checkout", "-qb", "topic")

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        if text.count(old) != 1:
            raise ValueError(f"{name} has {old!r} {text.count(old)} times")
        path.write_text(text.replace(old, new))
