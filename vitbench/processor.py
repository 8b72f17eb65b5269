"""The name of the CPU: of this machine, and whether a name says which CPU it is."""

import platform
import re
from functools import cache
from pathlib import Path
from typing import Any

NOTABLE = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "avx_vnni",
           "asimddp", "i8mm", "bf16", "sve")  # fmt: skip
# What systems say that do not know: nothing, an architecture, Arm's kernel for any Arm CPU, and
# what a hypervisor shows in place of the CPU.
_NAMELESS = re.compile(
    r"|[-?]+|unknown|none|null|n/?a|generic|not (specified|available)"
    r"|arm|arm64\w*|armv\d\w*|aarch64\w*|amd64|x64|x86([_-](32|64))?|i\d86|ppc\w*|powerpc\w*|s390x?"
    r"|(mips|riscv|loongarch|sparc)\w*|(armv\d|aarch64)\w*[- ]?(compatible )?processor( rev .*)?"
    r"|(unknown|generic)( \w+)* (cpu|processor)|\d+"
    r"|qemu (virtual|tcg) cpu.*|common kvm processor|virtual(apple)?( cpu)?.*|cpu",
    re.IGNORECASE,
)
# Cores that several makers build into their chips: with them, the board says which one it is.
_BOARDS = ("proc/device-tree/model", "sys/class/dmi/id/sys_vendor")


def names_cpu(name: Any) -> bool:
    """Whether `name`, of any type, says which CPU it is: "x86_64" or "unknown" do not."""
    return isinstance(name, str) and not _NAMELESS.fullmatch(" ".join(name.split()))


def cpu(root: Path = Path("/")) -> dict[str, Any]:
    """CPU model and instruction-set features; `node` too where nothing names the model.

    On Linux with an x86 CPU by the kernel's own words, else by py-cpuinfo, which asks lscpu,
    sysctl or the registry.
    """
    fields = _kernel(root)
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    model = fields.get("model name") or ""
    numbers = [fields.get(key) for key in ("cpu family", "model", "stepping")]
    if all(numbers):  # Hypervisors shorten the name: "AMD EPYC" alone says too little.
        model = model or platform.processor() or platform.machine()
        model += f" (family {numbers[0]}, model {numbers[1]}, stepping {numbers[2]})"
    else:
        library = _library()
        flags |= {flag for flag in library.get("flags") or () if isinstance(flag, str)}
        model = next((str(x) for x in (library.get("brand_raw"), model) if names_cpu(x)), "")
        if fields.get("CPU part"):  # Arm's own numbers, and the board: Graviton and Ampere share
            model = model or platform.machine()  # a core, "Neoverse-N1".
            model += f" ({', '.join([*_part(fields), *_board(root)])})"
    isa = [flag for flag in NOTABLE if flag in flags]
    if not model:
        return {"model": platform.machine(), "isa": isa, "node": platform.node()}
    return {"model": model, "isa": isa}


def _kernel(root: Path) -> dict[str, str]:
    """The fields of the first processor in Linux' cpuinfo; {} elsewhere."""
    try:
        lines = (root / "proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


@cache  # It starts processes, and what it finds does not change.
def _library() -> dict[str, Any]:
    import cpuinfo

    try:
        return dict(cpuinfo.get_cpu_info() or {})
    except Exception:  # It raises a bare one on an architecture that it does not know.
        return {}


def _part(fields: dict[str, str]) -> list[str]:
    keys = ("CPU implementer", "CPU part", "CPU variant", "CPU revision")
    return [f"{key.removeprefix('CPU ')} {fields[key]}" for key in keys if key in fields]


def _board(root: Path) -> list[str]:
    for place in _BOARDS:
        try:
            name = (root / place).read_text(errors="replace").strip("\0 \n")
        except OSError:
            continue
        if name:
            return [name]
    return []
