"""The record of a structure: named counters, and the key that they hold for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vitbench.errors import Unavailable

Counters = Mapping[str, Mapping[str, int]]
"""By kind, by name: how many. KINDS has the kinds."""

KINDS: Mapping[str, str] = {
    "operators": "calls of an operator in one call of the case, by its name and its types",
    "views": "calls of an operator that computes nothing, such as a view of a tensor",
    "products": "matrix products among the operators: `int8` and `float`",
    "conversions": "operators that `quantize` and that `dequantize`",
    "kernels": "kernels that a compiler generated, or that ran on a device",
    "transfers": "copies between a device and the host, and waits for the device",
    "graph": "compiled graphs, graph breaks, and recompilations, until the counted call ended",
    "memory": "allocations in one call",
    "artifact": "bytes of the artifact, versions of its format",
    "arithmetic": "floating-point operations of the model, for one image",
}
"""The kinds of counters, in the order in which their differences are told."""


@dataclass(frozen=True)
class Key:
    """What a structure holds for. Two structures of one case and one key have equal counters.

    `versions` are those of the packages that build and execute, by name; `isa` the instruction sets
    of the CPU, or the name of a CUDA device; `device` is `cpu` or `cuda`.
    """

    runtime: str
    versions: Mapping[str, str]
    isa: tuple[str, ...]
    threads: int
    batch: int
    device: str


@dataclass(frozen=True)
class Structure:
    """What one call of a case executes. A counter that is 0 is equal to one that is absent."""

    key: Key
    counters: Counters

    def __post_init__(self) -> None:
        """Raises Unavailable where there is no operator: that is no structure, and equals none."""
        if not any(self.counters.get("operators", {}).values()):
            raise Unavailable(f"{self.key.runtime} reports no operator of the call")

    def to_json(self) -> dict[str, Any]:
        """All of it, in one order whatever the order of counting was."""
        plain = asdict(self.key)
        plain["versions"] = dict(sorted(self.key.versions.items()))
        plain["isa"] = sorted(self.key.isa)
        ordered = {
            kind: dict(sorted(self.counters[kind].items()))
            for kind in (*KINDS, *sorted({*self.counters} - {*KINDS}))
            if self.counters.get(kind)
        }
        return {"key": plain, "counters": ordered}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Structure":
        """The other end of `to_json`. Raises Unavailable, with the reason, for anything else."""
        try:
            key = _key(given["key"])
            counters = {
                _text(kind): {_text(name): _count(each) for name, each in names.items()}
                for kind, names in given["counters"].items()
            }
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise Unavailable(f"this is no structure ({type(error).__name__}: {error})") from error
        return cls(key, counters)


def _key(given: Mapping[str, Any]) -> Key:
    if unknown := {*given} - {each.name for each in fields(Key)}:
        raise ValueError(f"a key has no {', '.join(sorted(map(repr, unknown)))}")
    if not isinstance(given["isa"], list):
        raise ValueError(f"{given['isa']!r} is no list of instruction sets")
    return Key(
        _text(given["runtime"]),
        {_text(name): _text(version) for name, version in given["versions"].items()},
        tuple(map(_text, given["isa"])),
        _count(given["threads"]),
        _count(given["batch"]),
        _text(given["device"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
