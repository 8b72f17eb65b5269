"""What each runtime takes from a recipe: the precisions it can build, and its options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vitbench.errors import near
from vitbench.runtimes.base import Variant
from vitbench.runtimes.linear_layers import FLOAT_LAYERS

PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "int8", "fp8")
_FLOATS = ("fp32", "tf32", "fp16", "bf16")
_ENGINES = ("host", "x86", "fbgemm", "onednn", "qnnpack")


@dataclass(frozen=True)
class Fitting:
    """The values of an option: what one may be, in words, and which fit."""

    words: str
    fits: Callable[[Any], bool]


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(each, str) and each for each in value)
    )


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6


URL = Fitting('the URL of a server, such as "http://localhost:8000/v2/models/NAME"', _is_url)
SECONDS = Fitting("a number of seconds above 0", _is_time)
LAYER_NAMES = Fitting('a list of names of layers, such as ["blocks.0.mlp.fc1"]', _are_names)


@dataclass(frozen=True)
class Takes:
    """`options` with what each may be. `int8_by` is the option that a recipe of int8 or fp8 has and
    no other; None where the precision alone says it. `static` are those of its values for which a
    recipe is calibrated; `calibrates` says that int8 always is. `of_transforms` says that int8
    layers are made of what a transform returns, too. `needs` are options without a default."""

    precisions: tuple[str, ...]
    options: Mapping[str, tuple[Any, ...] | Fitting] = field(default_factory=dict)
    int8_by: str | None = None
    static: tuple[str, ...] = ()
    calibrates: bool = False
    of_transforms: bool = True
    needs: tuple[str, ...] = ()


_SCRIPTED = Takes(
    (*_FLOATS, "int8"),
    {"engine": _ENGINES, "mobile": (True, False), FLOAT_LAYERS: LAYER_NAMES},
    "engine",
)
TAKES: Mapping[str, Takes] = {
    "eager": Takes(
        (*_FLOATS, "int8"),
        {
            "engine": _ENGINES,
            "memory_format": ("contiguous_format", "channels_last"),
            "attention": ("MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION"),
            "graph": (True, False),
            FLOAT_LAYERS: LAYER_NAMES,
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
            FLOAT_LAYERS: LAYER_NAMES,
        },
        "quantization",
    ),
    "aot_inductor": Takes(
        ("fp32", "int8"),
        {
            "quantization": ("torchao-weight", "torchao-dynamic", "pt2e-x86"),
            FLOAT_LAYERS: LAYER_NAMES,
        },
        "quantization",
        ("pt2e-x86",),
    ),
    "onnxruntime": Takes(
        ("fp32", "int8"),
        {"quantization": ("dynamic", "static"), FLOAT_LAYERS: LAYER_NAMES},
        "quantization",
        ("static",),
    ),
    "openvino": Takes(
        ("fp32", "bf16", "int8"),
        {"rest": ("fp32", "bf16"), FLOAT_LAYERS: LAYER_NAMES},
        "rest",
        calibrates=True,
        of_transforms=False,
    ),
    "executorch": Takes(
        ("fp32", "int8"),
        {"quantization": ("dynamic",), FLOAT_LAYERS: LAYER_NAMES},
        of_transforms=False,
    ),
    "zentorch": Takes(
        ("fp32", "bf16", "int8"),
        {
            "quantization": ("zentorch", "torchao"),
            "rest": ("fp32", "bf16"),
            FLOAT_LAYERS: LAYER_NAMES,
        },
        "quantization",
        of_transforms=False,
    ),
    "tuned": Takes(("bf16", "int8"), {FLOAT_LAYERS: LAYER_NAMES}),
    "endpoint": Takes(PRECISIONS, {"url": URL, "seconds": SECONDS}, needs=("url",)),
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
        if not _fits(value, known):
            return "options", (
                f"{value!r} is no value of {row.runtime}'s option {name!r}: it may be "
                f"{_words(known)}"
            )
    for name in takes.needs:
        if name not in row.options:
            return "options", (
                f"the runtime {row.runtime} needs the option {name!r}: "
                f"{_words(takes.options[name])}"
            )
    if FLOAT_LAYERS in row.options and not _makes_int8(row, takes):
        return "options", (
            f"the option {FLOAT_LAYERS!r} is for int8 layers that the runtime {row.runtime} makes, "
            "and this recipe makes none"
        )
    if row.transform or row.artifact:
        return None
    if row.precision not in takes.precisions:
        return "precision", (
            f"the runtime {row.runtime} does not build {row.precision}: it builds "
            f"{', '.join(takes.precisions)}"
        )
    return _quantized_otherwise(row, takes)


def _fits(value: Any, known: tuple[Any, ...] | Fitting) -> bool:
    if isinstance(known, Fitting):
        return known.fits(value)
    return any(value == each and type(value) is type(each) for each in known)


def _makes_int8(row: Variant, takes: Takes) -> bool:
    """Whether the runtime itself makes int8 layers of this recipe's module."""
    if row.artifact or (row.transform and not takes.of_transforms):
        return False
    if takes.int8_by:
        return takes.int8_by in row.options
    return row.precision in ("int8", "fp8") or takes.precisions == ("int8",)


def _quantized_otherwise(row: Variant, takes: Takes) -> tuple[str, str] | None:
    quantized, by = row.precision in ("int8", "fp8"), takes.int8_by
    if by and quantized and by not in row.options:
        return "precision", (
            f"{row.precision} in the runtime {row.runtime} needs the option {by!r}: "
            f"{_words(takes.options[by])}"
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


def _words(known: tuple[Any, ...] | Fitting) -> str:
    return known.words if isinstance(known, Fitting) else ", ".join(map(_toml, known))


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
