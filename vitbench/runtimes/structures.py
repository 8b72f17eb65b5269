"""The structure of a case: what its runtime counts, with the key that it holds for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from packaging.requirements import Requirement

from vitbench import environment
from vitbench.errors import Unavailable
from vitbench.models import flops_of, skeleton
from vitbench.runtimes.base import Placement
from vitbench.structure import Counters, Key, Structure
from vitbench.structure.groups import derived

# Of what a model is made, by the source in its architecture.
LIBRARIES = {"timm": ("timm",), "hf": ("transformers",)}
# Whose artifacts have as many bytes whatever the weights and the build: those of weights alone.
# TorchScript, ONNX, OpenVINO and ExecuTorch write equal constants once, and names that they number.
EXACT_BYTES = ("eager", "inductor", "zentorch")
ANY_LIBRARY = ("timm", "torchvision", "transformers")


def structure_of(
    reader: Any,
    placement: Placement,
    images: NDArray[np.float32],
    version: str,
    artifact_bytes: int,
) -> Structure:
    """By the verb `structure` of a runtime, which a package's may lack.

    Raises Unavailable where it is lacking, says why it cannot count, or counts no operator.
    """
    count = getattr(reader, "structure", None)
    if count is None:
        raise Unavailable(f"the runtime {placement.variant.runtime} has no verb structure")
    found: Counters = count(placement, images)
    module = skeleton(placement.architecture).eval()
    row = placement.variant
    exact = {"bytes": artifact_bytes} if row.runtime in EXACT_BYTES and not row.transform else {}
    counters = {
        **derived(found.get("operators", {})),
        **found,
        "artifact": {**exact, **found.get("artifact", {})},
        "arithmetic": {"FLOPs": flops_of(module, placement.image)},
    }
    return Structure(_key(placement, len(images), version), counters)


def _key(placement: Placement, batch: int, version: str) -> Key:
    name, _, number = version.rpartition(" ")
    versions = {name: number}
    packages = [Requirement(each).name for each in placement.variant.requires]
    libraries = LIBRARIES.get(placement.architecture.get("source", ""), ANY_LIBRARY)
    for package in (*packages, *libraries):
        if (found := environment.installed(package)) is not None:
            versions[package] = found
    kind = placement.device.partition(":")[0]
    return Key(
        placement.variant.runtime,
        versions,
        _instructions(placement.device),
        placement.threads,
        batch,
        kind,
    )


def _instructions(device: str) -> tuple[str, ...]:
    if device == "cpu":
        return tuple(environment.cpu()["isa"])
    import torch

    return (torch.cuda.get_device_name(device),)
