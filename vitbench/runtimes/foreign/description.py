"""How a file takes images and answers: `input = {...}` of its variant, checked and completed.

What is not described is as the model has it: float32 (N, 3, H, W), red first, as the model's
preprocessing made them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from vitbench.errors import UserError, near

LAYOUTS = ("NCHW", "NHWC")
CHANNELS = ("RGB", "BGR")
DTYPES = ("float32", "float16", "bfloat16", "uint8")
LEVELS = 255.0  # that 8 bits give to the range from 0 to 1


@dataclass(frozen=True)
class Description:
    """What a file is fed: of the model's images x the values (x * std + mean) * scale, in `dtype`
    (uint8: rounded, and clipped to 0..255) and `layout`, resized to `size` (height, width).

    `mean` and `std` are those of the model's preprocessing, which is so undone: a number a channel
    in the model's order. `channels` is the order that the file takes. `name` and `output` name the
    input and the output; of a file of torch, `output` is a key or a number from 0. `batch` is the
    number of images of every call, or None where it is free.
    """

    layout: str = "NCHW"
    dtype: str = "float32"
    channels: str = "RGB"
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    scale: float | None = None
    name: str | None = None
    output: str | int | None = None
    batch: int | None = None

    @property
    def factor(self) -> float:
        """`scale`, or its default: pixels of uint8 are 0 to 255, all others 0 to 1."""
        if self.scale is not None:
            return self.scale
        return LEVELS if self.dtype == "uint8" else 1.0

    def to_json(self) -> dict[str, Any]:
        """What `described` reads; fields that have their default are left out."""
        plain = Description()
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if value != getattr(plain, name)
        }


def described(given: Mapping[str, Any], where: str) -> Description:
    """The Description of an `input` table; `where` begins the sentences.

    Raises UserError for an unknown name and for a value that is not of its kind.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in KINDS:
            raise UserError(
                f"{where}: input has no {name!r} ({near(name, KINDS)}): it takes {', '.join(KINDS)}"
            )
        words, convert = KINDS[name]
        try:
            values[name] = convert(value)
        except (TypeError, ValueError):
            raise UserError(f"{where}: input.{name} is {value!r}: give {words}") from None
    if len(values.get("mean", ())) != len(values.get("std", ())):
        raise UserError(f"{where}: input needs mean and std, with a number for each channel")
    found = Description(**values)
    if found.dtype == "uint8" and found.scale is None and not found.mean:
        raise UserError(
            f"{where}: input.dtype is uint8, so the file takes pixels: give mean and std of the "
            "model's preprocessing, which are undone; or scale, where it has none"
        )
    return found


def _one_of(names: Sequence[str]) -> tuple[str, Callable[[Any], str]]:
    def convert(value: Any) -> str:
        if value not in names:
            raise ValueError
        return str(value)

    return " or ".join(f'"{name}"' for name in names), convert


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise ValueError
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError
    return value


def _size(value: Any) -> tuple[int, int]:
    height, width = [value, value] if isinstance(value, int) else value
    return _whole(height), _whole(width)


def _means(value: Any) -> tuple[float, ...]:
    if not value or any(isinstance(x, bool) or not abs(x) < 1e6 for x in value):
        raise ValueError
    return tuple(map(float, value))


def _output(value: Any) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


KINDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "layout": _one_of(LAYOUTS),
    "dtype": _one_of(DTYPES),
    "channels": _one_of(CHANNELS),
    "size": ("height and width in pixels, such as [224, 224]", _size),
    "mean": ("a number for each channel, such as [0.485, 0.456, 0.406]", _means),
    "std": (
        "a positive number for each channel, such as [0.229, 0.224, 0.225]",
        lambda value: tuple(map(_number, value)),
    ),
    "scale": ("a positive number, such as 255", _number),
    "name": ("the name of the file's input", _name),
    "output": ("the name of an output, or its number from 0", _output),
    "batch": ("the number of images of every call", _whole),
}
"""What `input` takes: of each name, the values in words, and what makes a field of them."""
