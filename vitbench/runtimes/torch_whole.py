"""A module saved whole: what a transform of the user's made, since nothing else makes it again.

To call the transform when the file is loaded would time it as loading, and give it weights that
mean nothing. The file is a pickle, which runs what it names: it lies in the cache, which nobody
else can change, and needs the user's code on the path.
"""

from pathlib import Path
from typing import Any

from vitbench.errors import WorkerFailed, with_kind
from vitbench.runtimes import torch_common
from vitbench.runtimes.base import Placement, Variant


def save(module: Any, variant: Variant, path: Path) -> None:
    """Raises WorkerFailed where the module cannot be pickled."""
    import torch

    try:
        torch.save(module, path)
    except OSError:  # of the disk
        raise
    except Exception as error:  # pickle raises many kinds
        raise WorkerFailed(
            f"the module that the transform {variant.transform} returns cannot be pickled "
            f"({with_kind(error)}): define its classes and functions at the top of a module, or "
            "choose a runtime that writes a graph, such as torchscript"
        ) from error


def load(placement: Placement) -> Any:
    """The module, on the CPU. Raises WorkerFailed where the code that it is made of is missing."""
    import torch

    variant = placement.variant
    try:
        # Loading packs int8 weights again, for whichever engine is set at that moment.
        with torch_common.quantized_engine(torch_common.engine(variant)):
            return torch.load(placement.path, map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        raise WorkerFailed(
            f"{variant.name} cannot be loaded: its module needs code that this process does not "
            f"find ({with_kind(error)})"
        ) from error


def loading_code(placement: Placement) -> str:
    """Python that loads the module where all packages are that its layers are of."""
    variant, lines = placement.variant, ["import torch"]
    if name := torch_common.engine(variant):
        lines.append(f"torch.backends.quantized.engine = {name!r}")
    return "\n".join(
        [
            *lines,
            f"# A pickle, which runs what it names: it needs the code of {variant.transform}",
            f"model = torch.load({str(placement.path)!r}, weights_only=False)",
        ]
    )
