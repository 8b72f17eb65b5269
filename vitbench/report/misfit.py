"""Why a value of JSON does not fit a type, as a sentence that names the place and what is there."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

# msgspec's messages, and which value at the place that they name is the one that they mean.
_EXPECTED = re.compile(r"Expected `(?P<types>[^`]+)`, got `(?P<kind>\w+)`")
_LACKS = re.compile(r"Object missing required field `(?P<key>.+)`")
_LEAST = re.compile(r"Expected `(?P<types>\w+)` (?P<sign>[<>])= (?P<bound>\S+)")
_NAMES = {
    "int": "integer", "float": "number", "str": "string", "bool": "boolean", "null": "null",
    "array": "array", "object": "object",
}  # fmt: skip
_STEP = re.compile(r"\[(\d+)\]|(\[\.\.\.\])|\.?([^.\[]+)")


class MisfitError(ValueError):
    """A value does not fit its type: one sentence."""


def typed(value: Any, type_: Any, at: str) -> Any:
    """The value as `type_`. `at`: where the value stands in the document. Raises MisfitError."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise MisfitError(_explained(error, value, at)) from error
    except UnicodeEncodeError as error:  # msgspec encodes the string that it was not to find
        raise MisfitError(f"{at} has half a character of UTF-16, as in \\ud800") from error


def misfit(value: Any, type_: Any, at: str) -> str:
    """What `typed` raises, "" where `value` fits `type_`."""
    try:
        typed(value, type_, at)
    except MisfitError as error:
        return str(error)
    return ""


def _explained(error: msgspec.ValidationError, value: Any, at: str) -> str:
    """The sentence of an error that `msgspec.convert` raised for `value`."""
    told, _, way = str(error).partition(" - at `$")
    steps = list(_STEP.finditer(way.removesuffix("`")))
    for place, found in _places(value, steps, at):
        if words := _words(told, found):
            return f"{place} {words}"
    return f"{at}: {error}"


def _places(value: Any, steps: list[re.Match[str]], at: str) -> Iterator[tuple[str, Any]]:
    """Every place that a path leads to: msgspec names no key of a table that may have any."""
    if not steps:
        yield at, value
        return
    index, any_key, key = steps[0].groups()
    if index and isinstance(value, list):
        yield from _places(value[int(index)], steps[1:], f"{at}[{index}]")
    elif any_key and isinstance(value, dict):
        for name, member in value.items():
            yield from _places(member, steps[1:], f"{at}.{name}")
    elif key and isinstance(value, dict) and key in value:
        yield from _places(value[key], steps[1:], f"{at}.{key}")


def _words(told: str, found: Any) -> str:
    """What is wrong with the value; "" where the error means another one."""
    if match := _LACKS.fullmatch(told):
        lacking = isinstance(found, dict) and match["key"] not in found
        return f"lacks {match['key']!r}" if lacking else ""
    if match := _EXPECTED.fullmatch(told):
        kind = {"NoneType": "null"}.get(match["kind"], match["kind"])
        expected = " or ".join(_NAMES.get(each, each) for each in match["types"].split(" | "))
        return f"should be {expected}, but is {_kind(found)}" if _is(found, kind) else ""
    if match := _LEAST.fullmatch(told):
        if not isinstance(found, int | float) or isinstance(found, bool):
            return ""
        if not math.isfinite(found):
            return f"should be number, but is {found}"
        bound = float(match["bound"])
        beyond = found < bound if match["sign"] == ">" else found > bound
        which = "least" if match["sign"] == ">" else "most"
        return f"is {found}, but should be at {which} {match['bound']}" if beyond else ""
    if told == "Number out of range":
        large = isinstance(found, int) and abs(found) >= 2**1024
        return "is a number beyond a float's range" if large else ""
    if told.startswith("Invalid"):
        shown = json.dumps(found) if not isinstance(found, str) else repr(found)
        return f"is {shown[:60]}, which is not allowed there" if shown in told else ""
    return ""


def _is(value: Any, kind: str) -> bool:
    return _NAMES.get(kind, kind) == _kind(value) or (kind == "float" and type(value) is float)


def _kind(value: Any) -> str:
    """JSON's word for what a value is."""
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    name = type(value).__name__
    return {"dict": "object", "list": "array"}.get(name) or _NAMES.get(name, name)
