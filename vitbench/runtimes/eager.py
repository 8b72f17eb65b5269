"""torch eager: the model's own Python, in fp32, half precision, or with dynamic int8 linears."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.models import Model
from vitbench.runtimes import torch_common
from vitbench.runtimes.base import Deployment, Variant
from vitbench.runtimes.torch_common import state_loading_code as loading_code
from vitbench.runtimes.torch_common import supports, version

__all__ = ["build", "load", "loading_code", "suffix", "supports", "version"]


def suffix(variant: Variant) -> str:
    return ".pt" if variant.precision == "int8" else ".safetensors"


def build(model: Model, variant: Variant, path: Path) -> None:
    torch_common.save_state(torch_common.prepared(model.module, variant), variant, path)


def load(path: Path, variant: Variant, device: str, architecture: Mapping[str, Any]) -> Deployment:
    module = torch_common.load_state(path, variant, architecture).to(device)
    return torch_common.deployment(module, variant, device)
