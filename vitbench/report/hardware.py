"""Which machine a report comes from: the one rule for the gate, the history and comparisons."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vitbench.processor import names_cpu

IDENTITY = ("cpu", "cores", "quota", "gpus", "threads")
"""What a machine is, as environment.describe records it. With the weights it is a fingerprint."""
GPU_STEP_BYTES = 4 * 2**30
"""Cards of one name differ by this much memory or more. A driver keeps some of it, each its own."""


@dataclass(frozen=True)
class Hardware:
    """What must be equal for two reports to be of one machine, each part by its word; and a name.

    A node names one computer of many that are alike, so it is a part only where the CPU is not
    `known`: hosted runners have another node for every run.
    """

    parts: Mapping[str, Any]
    name: str
    known: bool

    @property
    def node(self) -> str | None:
        """What the machine is known by where its CPU is not; "" by nothing. None where it is."""
        return None if self.known else str(self.parts.get("node") or "")

    @property
    def doubt(self) -> str:
        """What is said of a machine whose CPU is not known; "" for any other."""
        if self.known:
            return ""
        if self.node:
            return f"the CPU is not named, so only figures of the node {self.node} are compared"
        return "neither the CPU nor the node is named: the machine may be any"


def hardware(info: Any) -> Hardware:
    """The machine of a report's `machine_info`, which may have any shape.

    vitbench's own words where there are some, else pytest-benchmark's: CPU, architecture, cores.
    """
    info = info if isinstance(info, dict) else {}
    theirs, ours = _table(info, "cpu"), _table(info, "vitbench")
    # Until 2020 py-cpuinfo called it `brand`.
    cpu = _table(ours, "cpu") or {"model": theirs.get("brand_raw", theirs.get("brand"))}
    known, node = names_cpu(cpu.get("model")) and "node" not in cpu, info.get("node") or None
    if ours:
        parts = {**identity(ours), "cpu": cpu}
    else:
        parts = {
            "cpu": _words(cpu["model"]) if known else None,
            "architecture": info.get("machine"),
            "cpu count": theirs.get("count"),
            # Some hypervisors name all their CPUs alike, and some boards name a chip alone.
            **{key: theirs[key] for key in ("family", "model", "stepping") if key in theirs},
            **({} if known else {key: theirs[key] for key in _RAW if theirs.get(key)}),
        }
    name = str(cpu["model"]) if known else str(node or "unknown machine")
    if not known:
        parts["node"] = node
        name += f" ({info['machine']})" if isinstance(info.get("machine"), str) else ""
    cores = ours.get("cores") or theirs.get("count")
    name += f", {cores} cores" if cores else ""
    name += f", {ours['threads']} threads" if ours.get("threads") else ""
    name += "".join(f", {gpu.get('name')}" for gpu in _list(ours, "gpus") if isinstance(gpu, dict))
    return Hardware(parts, name[:200], known)


def differing_parts(one: Hardware, other: Hardware) -> Iterator[tuple[str, Any, Any]]:
    """Each part that is not equal, with what either has; None where one lacks it."""
    if one.known != other.known:  # What stands in for the CPU of the other says no more.
        yield "cpu", one.parts.get("cpu"), other.parts.get("cpu")
        return
    for key in dict.fromkeys([*one.parts, *other.parts]):
        if one.parts.get(key) != other.parts.get(key):
            yield key, one.parts.get(key), other.parts.get(key)


def identity(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a machine is, of vitbench's own words. Of a GPU: name, capability and how large its
    memory is, in GPU_STEP_BYTES. CUDA's version, and what a driver leaves of the memory, are
    versions."""
    here = {key: found.get(key) for key in IDENTITY}
    if isinstance(here["gpus"], list):
        here["gpus"] = [_gpu(each) if isinstance(each, dict) else each for each in here["gpus"]]
    return here


def _gpu(found: Mapping[str, Any]) -> dict[str, Any]:
    size = found.get("memory_bytes")
    steps = math.ceil(size / GPU_STEP_BYTES) if isinstance(size, int) else None
    return {"name": found.get("name"), "capability": found.get("capability"), "steps": steps}


_RAW = ("arch_string_raw", "hardware_raw", "vendor_id_raw")


def _table(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _list(holder: Mapping[str, Any], key: str) -> list[Any]:
    found = holder.get(key)
    return found if isinstance(found, list) else []


def _words(text: str) -> str:
    return " ".join(text.split())
