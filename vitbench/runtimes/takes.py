"""What each runtime takes from a recipe: the precisions it can build, and its options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vitbench.errors import near
from vitbench.runtimes.base import Variant

PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "int8", "fp8")
_FLOATS = ("fp32", "tf32", "fp16", "bf16")
_ENGINES = ("host", "x86", "fbgemm", "onednn", "qnnpack")


@dataclass(frozen=True)
class Takes:
    """`options` with the values of each. `int8_by` is the option that a recipe of int8 or fp8 has
    and no other; None where the precision alone says it. `static` are those of its values for which
    a recipe is calibrated; `calibrates` says that int8 always is."""

    precisions: tuple[str, ...]
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    int8_by: str | None = None
    static: tuple[str, ...] = ()
    calibrates: bool = False


_SCRIPTED = Takes((*_FLOATS, "int8"), {"engine": _ENGINES, "mobile": (True, False)}, "engine")
TAKES: Mapping[str, Takes] = {
    "eager": Takes(
        (*_FLOATS, "int8"),
        {
            "engine": _ENGINES,
            "memory_format": ("contiguous_format", "channels_last"),
            "attention": ("MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION"),
            "graph": (True, False),
        },
        "engine",
    ),
    "torchscript": _SCRIPTED,
    "lite": _SCRIPTED,
    "inductor": Takes(
        (*_FLOATS, "int8", "fp8"),
        {
            "mode": ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
            "quantization": ("torchao",),
            "rest": ("fp32", "bf16", "fp16"),
        },
        "quantization",
    ),
    "aot_inductor": Takes(
        ("fp32", "int8"),
        {"quantization": ("torchao-weight", "torchao-dynamic", "pt2e-x86")},
        "quantization",
        ("pt2e-x86",),
    ),
    "onnxruntime": Takes(
        ("fp32", "int8"), {"quantization": ("dynamic", "static")}, "quantization", ("static",)
    ),
    "openvino": Takes(
        ("fp32", "bf16", "int8"), {"rest": ("fp32", "bf16")}, "rest", calibrates=True
    ),
    "executorch": Takes(("fp32", "int8"), {"quantization": ("dynamic",)}),
    "tuned": Takes(("int8",)),
}  # fmt: skip


def misfit(row: Variant) -> tuple[str, str] | None:
    """Why one of vitbench's own runtimes does not take a recipe, as a sentence after the name of
    the recipe, and which of its fields says so. None where it does, and for another runtime.

    What a recipe brings itself, a file or a transformed module, may have any precision.
    """
    takes = TAKES.get(row.runtime)
    if takes is None:
        return None
    for name, value in row.options.items():
        known = takes.options.get(name)
        if known is None:
            has = f"its options are {', '.join(takes.options)}" if takes.options else "it has none"
            return "options", (
                f"the runtime {row.runtime} has no option {name!r}: "
                f"{near(name, takes.options)}; {has}"
            )
        if not any(value == each and type(value) is type(each) for each in known):
            return "options", (
                f"{value!r} is no value of {row.runtime}'s option {name!r}: it may be "
                f"{', '.join(map(_toml, known))}"
            )
    if row.transform or row.artifact:
        return None
    if row.precision not in takes.precisions:
        return "precision", (
            f"the runtime {row.runtime} does not build {row.precision}: it builds "
            f"{', '.join(takes.precisions)}"
        )
    return _quantized_otherwise(row, takes)


def _quantized_otherwise(row: Variant, takes: Takes) -> tuple[str, str] | None:
    quantized, by = row.precision in ("int8", "fp8"), takes.int8_by
    if by and quantized and by not in row.options:
        values = ", ".join(map(_toml, takes.options[by]))
        return "precision", (
            f"{row.precision} in the runtime {row.runtime} needs the option {by!r}: {values}"
        )
    if by and not quantized and by in row.options:
        return "options", f"the option {by!r} is for int8, and the precision is {row.precision}"
    static = quantized and (takes.calibrates or row.options.get(by or "") in takes.static)
    if static != row.calibrated:
        return ("calibrated" if row.calibrated else "options"), (
            "this recipe takes no calibration images: leave `calibrated` out"
            if row.calibrated
            else "this recipe needs calibration images: write calibrated = true"
        )
    return None


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
