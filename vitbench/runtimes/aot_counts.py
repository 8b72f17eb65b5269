"""What a package of AOTInductor executes, read from the C++ that it was compiled from.

The compiled code calls torch's kernels past the dispatcher, where no profiler sees them. The code
of `run_impl` has no branches: each call in it is made once in a call of the model.
"""

import re
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

from vitbench.structure import Counters

OPERATOR = re.compile(r"\baoti_torch_(?:cpu|cuda)_(\w+?)\(")
KERNEL = re.compile(r"^\s+((?:cpp|triton)_\w+?)(?:_\d+)?\((?!const\b)", re.MULTILINE)
KINDS = re.compile(r"^_|_out$|_for_cpu$")


def counted(path: Path) -> Counters:
    """`operators` that torch has a kernel for, and `kernels` that Inductor generated; without their
    types, which the code does not name."""
    with ZipFile(path) as package:
        names = [name for name in package.namelist() if name.endswith(".wrapper.cpp")]
        code = "".join(package.read(name).decode() for name in names)
    body = code[code.find("::run_impl(") :]
    return {
        "operators": dict(Counter(KINDS.sub("", name) for name in OPERATOR.findall(body))),
        "kernels": dict(Counter(KERNEL.findall(body))),
    }
