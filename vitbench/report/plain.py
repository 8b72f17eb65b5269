"""Values as JSON has them: numpy's numbers as numbers, what is no number as null."""

import json
import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any, at: str) -> Any:
    """The value as JSON has it: numbers and arrays of numpy as Python's own, None for NaN and
    infinity, which JSON has not.

    `at` is where it stands. Raises TypeError, which names the place, for what JSON cannot say: as
    its text it would be read as a figure that is wrong.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"{at} has the key {wrong[0]!r}, which is no text")
        return {str(key): plain(member, f"{at}.{key}") for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member, f"{at}[{index}]") for index, member in enumerate(value)]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist(), at)
    raise TypeError(f"{at} is of the type {type(value).__name__}, which a report cannot hold")


def dumps(document: Any) -> str:
    """JSON of a report. Where other benchmarks than ours put into it what JSON cannot say, as
    pytest-benchmark lets them, its text stands."""
    try:
        return json.dumps(document, default=_as_text, allow_nan=False)
    except ValueError:  # a NaN somewhere, which readers refuse
        return json.dumps(plain(json.loads(json.dumps(document, default=_as_text)), "the report"))


def _as_text(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
