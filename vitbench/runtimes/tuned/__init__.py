"""TorchScript whose layers are ours (`layers.py`), compiled for the CPU's best instructions.

The artifact is a `.pt`, which says what instructions it needs, and beside it the compiled layers, a
`.so` that torch loads as operators.
"""

import json
import platform
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import torch_common, torch_counts, torch_profile, torchscript
from vitbench.runtimes.base import Deployment, Placement, Variant
from vitbench.runtimes.linear_layers import (
    layer_record,
    quantized,
    replaceable_anew,
    require_call,
    require_some,
)
from vitbench.runtimes.network import Network
from vitbench.runtimes.torch_common import calling_code as calling_code
from vitbench.runtimes.torch_common import version as version
from vitbench.runtimes.torchscript import suffix as suffix
from vitbench.runtimes.tuned import layers, library

NEEDS = "needs.json"  # in the .pt: the name and the needs of its Isa


def supports(variant: Variant, device: str) -> None:
    """As torch and a C++ compiler, and a CPU with the instructions of one of our ISAS."""
    torch_common.supports(variant, device)
    torch_common.require_compiler()
    if platform.system() != "Linux" or not library.available():
        raise Unavailable(f"{variant.name} is made for Linux on x86-64 with AVX2")
    if not _isas(variant):
        raise Unavailable(f"{variant.name} needs a CPU with AVX512-BF16 and AVX512-VNNI")


def _isas(variant: Variant) -> list[library.Isa]:
    """Those of this CPU that have a recipe's products, the best first."""
    return [isa for isa in library.available() if isa.narrow or variant.precision != "bf16"]


def suits(network: Network, _: Variant) -> None:
    """Raises Unavailable where there is no layer that ours could replace."""
    require_some(network.linear, network.read)


def build(
    model: Model,
    variant: Variant,
    path: Path,
    _: NDArray[np.float32] | None,
) -> dict[str, Any]:
    image, module = model.architecture["image"], model.module
    able = {*replaceable_anew(model), *layers.convolutions_of_patches(module)}
    in_order = [name for name, _ in module.named_modules() if name in able]
    names = quantized(in_order, variant)
    isa, beside = _isas(variant)[0], path.with_suffix(".so")
    library.build(isa, beside)
    operators = library.register(isa.name, beside)
    ours = layers.tuned(module, names, isa, operators, variant.precision)
    require_call(ours, image)
    needs = json.dumps({"isa": isa.name, "needs": isa.needs})
    graph = torchscript.graph(model, ours, variant)
    graph.save(str(path), _extra_files={NEEDS: needs})
    return layer_record(module, in_order, variant) if variant.precision == "int8" else {}


def load(placement: Placement) -> Deployment:
    with ZipFile(placement.path) as package:
        name = next(name for name in package.namelist() if name.endswith(f"/{NEEDS}"))
        made_for = json.loads(package.read(name))
    torch_common.require_capabilities(made_for["needs"], placement.path)
    library.register(made_for["isa"], placement.path.with_suffix(".so"))
    return torchscript.load(placement)


operators = torch_profile.profiled(load)
structure = torch_counts.counted(load)


def loading_code(placement: Placement) -> str:
    beside = str(placement.path.with_suffix(".so"))
    first, *rest = torchscript.loading_code(placement).splitlines()
    return "\n".join([first, f"torch.ops.load_library({beside!r})", *rest])
