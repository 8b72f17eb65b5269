"""What oneDNN would multiply with: it falls back to a reference kernel in silence."""

import os
import re
import tempfile
from functools import cache

from vitbench.errors import Unavailable


@cache
def signed_int8_kernel() -> str | None:
    """The implementation of a linear layer with signed int8 activations, as oneDNN names it.

    `ref_int8:any` is its scalar reference, thousands of times slower than a kernel. oneDNN
    prints it on the process's standard output, which is caught here; None where it prints nothing.
    """
    import torch

    weight = torch.zeros(64, 64, dtype=torch.int8)
    x, scales, zeros = weight[:16], torch.ones(64), torch.zeros(64, dtype=torch.int64)
    packed = torch.ops.onednn.qlinear_prepack(weight, [16, 64])
    with tempfile.TemporaryFile() as caught:
        stdout = os.dup(1)
        os.dup2(caught.fileno(), 1)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                torch.ops.onednn.qlinear_pointwise(
                    x, 1.0, 0, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
                )
        finally:
            os.dup2(stdout, 1)
            os.close(stdout)
        caught.seek(0)
        found = re.search(r"exec,cpu,(?:matmul|inner_product),([^,]+),", caught.read().decode())
    return found and found[1]


def require_signed_int8_kernel() -> None:
    """Raises Unavailable where oneDNN has only its reference for signed int8 activations."""
    kernel = signed_int8_kernel()
    if kernel and kernel.startswith("ref"):
        raise Unavailable(
            f"oneDNN has only its reference kernel ({kernel}) for signed int8 activations on "
            "this CPU, which takes seconds an image; ONEDNN_MAX_CPU_ISA=AVX2 gives it another"
        )
