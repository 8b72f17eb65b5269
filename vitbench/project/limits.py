"""The precision and the limits of a project's variant: each follows from the other."""

import math
from collections.abc import Mapping
from typing import Any

from vitbench.case import Limits
from vitbench.errors import near
from vitbench.project.values import Definition
from vitbench.pyproject import NAME
from vitbench.runtimes.limits import NAMED
from vitbench.runtimes.takes import PRECISIONS

# Each is the other's default; half precision has two kinds, and int8 two limits.
_PRECISION_OF = {
    "rebuilt": "fp32",
    "tf32": "tf32",
    "int8": "int8",
    "fp8": "fp8",
    "int8-static": "int8",
}
_LIMITS_OF = {"fp32": "rebuilt", "tf32": "tf32", "fp16": "half", "bf16": "half", "fp8": "fp8"}
_RANGES: Mapping[str, tuple[float, float]] = {
    "agreement": (0.0, 1.0),
    "relative_error": (0.0, math.inf),
    "cosine": (-1.0, 1.0),
    "neighbours": (0.0, 1.0),
}
_NEEDED = ("agreement", "relative_error", "cosine")


def precision_of(row: Definition) -> str:
    """What is written, else that of the named limits, else fp32. Raises UserError."""
    given = row.given.get("limits")
    default = _PRECISION_OF.get(given, "") if isinstance(given, str) else "fp32"
    precision = row.choice("precision", PRECISIONS, default or None)
    if precision is None:
        if given == "half":
            raise row.fail('limits = "half" are of two precisions: write precision = fp16 or bf16')
        return "fp32"  # the limits are a mistake, which is said there
    return precision


def limits_of(row: Definition, precision: str, calibrated: bool) -> Limits:
    """By name, or a table of numbers; else those of the precision. Raises UserError."""
    given = row.given.get("limits")
    if given is None:
        name = "int8-static" if precision == "int8" and calibrated else precision
        return NAMED[_LIMITS_OF.get(name, name)]
    if isinstance(given, str):
        if given not in NAMED:
            raise row.unknown("limits", given, tuple(NAMED))
        return NAMED[given]
    if not isinstance(given, dict):
        raise row.fail(
            f"limits = {given!r} should be one of {', '.join(NAMED)}, or a table of agreement, "
            "relative_error and cosine",
            "limits",
        )
    for key in given:
        if key not in _RANGES:
            raise row.fail(
                f"limits has no key {key!r}: {near(key, _RANGES)}; it has {', '.join(_RANGES)}",
                "limits", key,
            )  # fmt: skip
    values = {key: _limit(row, given, key) for key in dict.fromkeys((*_NEEDED, *given))}
    return Limits(**values, reason=f"set in {NAME}")


def _limit(row: Definition, given: Mapping[str, Any], key: str) -> float:
    least, most = _RANGES[key]
    if key not in given:
        raise row.fail(f"limits has no {key}: it needs {', '.join(_NEEDED)}", "limits")
    value = given[key]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least < value <= most or value == math.inf:
        above = "a number above 0" if most == math.inf else f"above {least:g} and at most {most:g}"
        raise row.fail(f"limits: {key} = {value!r} should be {above}", "limits", key)
    return float(value)
