"""The variants that the package brings."""

from vitbench.runtimes.base import Variant
from vitbench.runtimes.limits import INT8, REBUILT

VARIANTS = [
    Variant("acme-exported", "acme-exported", "fp32", REBUILT, "torch.export, run as it is"),
    Variant(
        "acme-rounded", "eager", "int8", INT8, "weights of 8 bits", transform="acme.quant:rounded"
    ),
    Variant(
        "acme-clipped", "acme-exported", "fp32", INT8, "inputs in the range of the calibration",
        calibrated=True, transform="acme.quant:clipped",
    ),
    Variant(
        "acme-swapped", "eager", "int8", INT8, "a mistake", transform="acme.quant:swapped"
    ),
    Variant(
        "acme-emptied", "torchscript", "int8", INT8, "a mistake", transform="acme.quant:emptied"
    ),
]  # fmt: skip
