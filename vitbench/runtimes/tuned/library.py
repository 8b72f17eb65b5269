"""The shared library of our layers: for which instructions, how compiled, how loaded."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vitbench.runtimes import parts, torch_common

__all__ = ["ISAS", "Isa", "available", "build", "register"]


@dataclass(frozen=True)
class Isa:
    """Instructions of a CPU, by torch's names of them, and how tiles.h multiplies with them.

    `columns` are those of a panel of packed weights; `largest` is the largest weight. `narrow` says
    that layers hand bfloat16 to the next, else float32 (`Half` in tiles.h).
    """

    name: str
    needs: tuple[str, ...]
    columns: int
    largest: int
    flags: tuple[str, ...]
    narrow: bool = False


_VNNI = ("avx512_f", "avx512_bw", "avx512_dq", "avx512_vl", "avx512_vnni", "fma3")
_AVX512 = (
    "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma",
    "-mprefer-vector-width=512", "-DCPU_CAPABILITY=AVX512", "-DCPU_CAPABILITY_AVX512",
)  # fmt: skip
_AVX2 = ("-mavx2", "-mfma", "-DCPU_CAPABILITY=AVX2", "-DCPU_CAPABILITY_AVX2")
# The best first. Without VNNI, sums of products of more than seven bits a side saturate.
ISAS = (
    Isa("avx512_bf16", (*_VNNI, "avx512_bf16"), 64, 127, (*_AVX512, "-mavx512bf16"), True),
    Isa("avx512_vnni", _VNNI, 64, 127, _AVX512),
    Isa("avx2", ("avx2", "fma3"), 16, 63, _AVX2),
)
SOURCES = sorted(
    file for ending in ("cpp", "h") for file in Path(__file__).parent.glob(f"*.{ending}")
)
FLAGS = (
    "-O3", "-std=c++20", "-shared", "-fPIC", "-fopenmp",
    # Lets minima and maxima be vectors. -ffast-math would change the whole process's arithmetic.
    "-ffinite-math-only", "-fno-signed-zeros", "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip


def available() -> list[Isa]:
    """What this CPU can do of ISAS, the best first."""
    can = set(torch_common.capabilities())
    return [isa for isa in ISAS if can.issuperset(isa.needs)]


def build(isa: Isa, path: Path) -> None:
    """Compile our layers. Raises RuntimeError with what the compiler said."""
    path.write_bytes(parts.once(f"library for {isa.name}", isa, lambda: _compiled(isa)))


def _compiled(isa: Isa) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "layers.so"
        _compile(isa, path)
        return path.read_bytes()


def _compile(isa: Isa, path: Path) -> None:
    import torch
    from torch._inductor.cpp_builder import get_cpp_compiler

    home = Path(torch.__file__).parent
    command = [
        get_cpp_compiler(), *FLAGS, *isa.flags, f"-DVITBENCH_NAMESPACE={_namespace(isa.name)}",
        f"-I{home / 'include'}", *(str(file) for file in SOURCES if file.suffix == ".cpp"),
        "-o", str(path), f"-L{home / 'lib'}", "-ltorch_cpu", "-lc10",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"our layers do not compile: {done.stderr[-2000:]}")


def register(isa: str, library: Path) -> Any:
    """The operators, loaded unless this process has them from another library of these sources."""
    import torch

    operators = getattr(torch.ops, _namespace(isa))
    if not hasattr(operators, "linear"):
        torch.ops.load_library(str(library))
    return operators


def _namespace(isa: str) -> str:
    """torch keeps an operator while the process lives: each state of these files has its own."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in SOURCES))
    return f"vitbench_{digest.hexdigest()[:12]}_{isa}"
