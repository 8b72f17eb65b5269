"""torch.export and AOTInductor: C++ that Inductor generates, compiled once, weights inside.

The graph has a dynamic batch and is compiled for this CPU. Its linear layers stay float32, or are

- `torchao-weight`: int8 weights, a scale per channel, widened in every call for a float32 product;
- `torchao-dynamic`: int8 activations too, a scale per token taken in the call, in oneDNN's product;
- `pt2e-x86`: int8 activations with ranges that calibration fixed, and oneDNN's product with the
  GELU or the residual addition after it.

Attention, normalisation and the patch convolution stay float32. Inductor leaves what it does not
recognise in float32 or in a scalar loop, and does not say so: the generated code is searched.
"""

import copy
import json
import platform
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.models import Model
from vitbench.runtimes import aot_counts, onednn, torch_common, torch_profile, torchao_layers
from vitbench.runtimes.base import Deployment, Placement, Variant
from vitbench.runtimes.linear_layers import layer_record, linear_names, quantized
from vitbench.runtimes.network import Network, observed
from vitbench.runtimes.torch_common import calling_code as calling_code
from vitbench.runtimes.torch_common import version as version
from vitbench.structure import Counters

ONEDNN = ("torchao-dynamic", "pt2e-x86")


def supports(variant: Variant, device: str) -> None:
    """As torch and Inductor, and the kind of CPU that oneDNN's int8 linears are made for."""
    torch_common.supports(variant, device)
    if not variant.artifact:
        torch_common.require_compiler()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if variant.options.get("quantization") in ONEDNN and not x86:
        raise Unavailable(f"{variant.name} needs oneDNN's int8 linears, which are made for x86-64")
    if variant.options.get("quantization") == "torchao-dynamic":
        onednn.require_signed_int8_kernel()


def suits(network: Network, variant: Variant) -> None:
    """Raises Unavailable for a network that PT2E's quantizer would quantize in part: what it made
    of EVA-02 answered otherwise than the model."""
    if variant.options.get("quantization") == "pt2e-x86" and network.read:
        raise Unavailable(
            f"the model reads the weights of {len(network.read)} of its {len(network.linear)} "
            "linear layers itself, and the X86InductorQuantizer quantizes calls of layers only"
        )


def suffix(_: Variant) -> str:
    return ".pt2"


def build(
    model: Model, variant: Variant, path: Path, calibration: NDArray[np.float32] | None
) -> dict[str, Any] | None:
    import torch
    from torch._inductor.utils import fresh_cache

    quantization, module = variant.options.get("quantization"), model.module
    shape = tuple(model.architecture["image"])
    options = {
        # Whoever loads it sets the threads; loops are cut finely enough for this many.
        "cpp.dynamic_threads": True,
        "cpp.threads": 16,
        # What oneDNN's linears take, int8 or float32. It would widen weight-only int8 for good, and
        # makes float32 slower where MKL beats oneDNN (docs/variants.md).
        "freezing": quantization in ONEDNN or (quantization is None and _has_avx512()),
        "aot_inductor.metadata": {"CPU": json.dumps(torch_common.capabilities())},
    }
    if quantization == "pt2e-x86":
        suits(observed(module, shape), variant)  # of what a transform made, too
    able = linear_names if quantization == "pt2e-x86" else torchao_layers.able
    linears = able(module)
    names = quantized(linears, variant) if quantization else []
    # Without gradients, or Inductor does not freeze. With files of its own, or two builds of one
    # architecture would write the same ones.
    with torch.no_grad(), fresh_cache():
        if quantization in ("torchao-weight", "torchao-dynamic"):
            module = _torchao(module, variant)
        program = _export(module, shape)
        if quantization == "pt2e-x86":
            left = [name for name in linears if name not in names]
            program = _export(_pt2e(program.module(), calibration, left), shape)
        torch._inductor.aoti_compile_and_package(
            program, package_path=str(path), inductor_configs=options
        )
    if quantization is None:
        return None
    _require_int8(path, quantization, len(names))
    return layer_record(model.module, linears, variant)


def _export(module: Any, shape: tuple[int, ...]) -> Any:
    """The ExportedProgram, which takes any batch, without its checks of types and devices.

    Such a check between an int8 product and its scales hides the pattern from Inductor.
    """
    import torch

    # Two images: one would be taken for a constant.
    images = torch.zeros(2, *shape)
    program = torch.export.export(
        module, (images,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    )
    checks = torch.ops.aten._assert_tensor_metadata.default
    for node in program.graph.find_nodes(op="call_function", target=checks):
        program.graph.erase_node(node)
    program.graph_module.recompile()
    return program


def _torchao(module: Any, variant: Variant) -> Any:
    """A copy whose linear layers are torchao's."""
    from torchao.quantization import (
        Int8DynamicActivationInt8WeightConfig,
        Int8WeightOnlyConfig,
    )

    weight_only = variant.options["quantization"] == "torchao-weight"
    config = Int8WeightOnlyConfig if weight_only else Int8DynamicActivationInt8WeightConfig
    module = copy.deepcopy(module)
    # The process's settings are not its own.
    torchao_layers.quantize(module, config(set_inductor_config=False), variant)
    return module


def _pt2e(module: Any, calibration: NDArray[np.float32] | None, left: Collection[str]) -> Any:
    """An exported module with quantized linear layers, but for those `left`, their ranges as in
    these images."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    if calibration is None:
        raise ValueError("a static recipe takes calibration images")
    # Without VNNI oneDNN adds pairs of products in 16 bits: 8 by 8 bits overflow there, 7 by 8 fit.
    config = x86.get_default_x86_inductor_quantization_config(
        reduce_range="avx512_vnni" not in torch_common.capabilities()
    )
    quantizer = x86.X86InductorQuantizer().set_module_type_qconfig(torch.nn.Linear, config)
    for name in left:
        quantizer.set_module_name_qconfig(name, None)
    prepared = prepare_pt2e(module, quantizer)
    for images in torch.from_numpy(calibration).split(8):
        prepared(images)
    return convert_pt2e(prepared)


def _require_int8(path: Path, quantization: str, linears: int) -> None:
    """Raises RuntimeError where the generated code has fewer int8 linears than the model has.

    A linear leaves there a call of oneDNN, or, weight-only, a constant of type int8.
    """
    constant = r"constants_info_\[\d+\]\.dtype = \w*int8;"
    trace = r"_qlinear_pointwise\w*\(" if quantization in ONEDNN else constant
    with ZipFile(path) as package:
        names = [name for name in package.namelist() if name.endswith(".wrapper.cpp")]
        code = "".join(package.read(name).decode() for name in names)
    found = len(re.findall(trace, code))
    if found < linears:
        raise RuntimeError(
            f"Inductor compiled {found} of the {linears} linear layers to int8: the rest would run "
            "in float32 or in a scalar loop"
        )


def _has_avx512() -> bool:
    return "avx512_f" in torch_common.capabilities()


def load(placement: Placement) -> Deployment:
    import torch

    # Another CPU's instructions would end the process.
    package = torch._C._aoti.AOTIModelPackageLoader
    needed = json.loads(package.load_metadata_from_package(str(placement.path), "model")["CPU"])
    torch_common.require_capabilities(needed, placement.path)
    module = torch._inductor.aoti_load_package(str(placement.path))
    return torch_common.deployment(module, placement)


operators = torch_profile.profiled(load)


def structure(placement: Placement, _: NDArray[np.float32]) -> Counters:
    return aot_counts.counted(placement.path)


def loading_code(placement: Placement) -> str:
    return f"import torch\nmodel = torch._inductor.aoti_load_package({str(placement.path)!r})"
