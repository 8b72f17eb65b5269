"""What OpenVINO executes of a graph: the layers of its runtime model, with their kernels.

The name of a kernel says the precision that it computes in: `FullyConnected brgemm_avx512_i8`.
"""

from collections import Counter
from typing import Any

from vitbench.structure import Counters

NO_WORK = ("Const", "Input", "Output")
FUSED = "Subgraph"  # several layers in one kernel; how many is part of its name


def counted(compiled: Any) -> Counters:
    """Of a compiled model. A layer runs once a call."""
    operators = Counter[str]()
    for each in compiled.get_runtime_model().get_ops():
        info = each.get_rt_info()
        layer, kernel = (info[key].astype(str) for key in ("layerType", "primitiveType"))
        if layer == FUSED:
            names = info["originalLayersNames"].astype(str).split(",")
            kernel += f"/{sum(map(bool, names))}"
        if layer not in NO_WORK:
            operators[f"{layer} {kernel}"] += 1
    return {"operators": dict(operators)}
