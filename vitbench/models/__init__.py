"""What is computed: models, their weights and preprocessing. This front door only exports."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from vitbench.models import hub, timm, transformers
from vitbench.models.base import Label, Model, ModelSpec, Weights
from vitbench.models.flops import flops
from vitbench.models.spec import parse_spec, parse_specs

__all__ = [
    "Label", "Model", "ModelSpec", "Weights",
    "creation_code", "flops", "load_model", "parse_spec", "parse_specs", "skeleton",
]  # fmt: skip

SOURCES: Mapping[str, Any] = {"timm": timm, "hf": transformers, "hub": hub}


def load_model(spec: ModelSpec, mode: str | None) -> Model:
    """The model of a spec; `mode` is the value of --weights, or None where it was not given.

    Raises UserError where its source cannot be read.
    """
    model: Model = SOURCES[spec.source].load(spec, mode)
    model.module.eval().requires_grad_(False)
    image = model.preprocess(Image.new("RGB", (320, 320))).shape
    return replace(model, architecture={**model.architecture, "image": list(image)})


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """A float32 module in eval mode on the CPU, images to logits, whose weights mean nothing.

    The caller's random numbers are left as they were.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        return SOURCES[architecture["source"]].skeleton(architecture).eval().requires_grad_(False)


def creation_code(architecture: Mapping[str, Any]) -> str:
    """Python lines that make the same bare module, as `model`, without vitbench."""
    return str(SOURCES[architecture["source"]].creation_code(architecture))
