"""What executes a model. One module per runtime; `variants.py` is the table of recipes."""

from collections.abc import Mapping

from vitbench.runtimes import eager, inductor, lite, torchscript
from vitbench.runtimes.base import Deployment, Runtime, Variant
from vitbench.runtimes.variants import VARIANTS

__all__ = ["RUNTIMES", "VARIANTS", "Deployment", "Runtime", "Variant", "variant"]

RUNTIMES: Mapping[str, Runtime] = {
    "eager": eager,
    "torchscript": torchscript,
    "lite": lite,
    "inductor": inductor,
}


def variant(name: str) -> Variant:
    """The recipe of that name. Raises KeyError."""
    return {row.name: row for row in VARIANTS}[name]
