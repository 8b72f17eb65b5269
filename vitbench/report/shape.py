"""The part of JSON Schema that report.schema.json uses, so that reading needs no package."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def misfits(
    value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], at: str
) -> Iterator[str]:
    """What in `value` does not fit, one sentence each; `at` is where it stands in the document.

    Knows $ref (into `root`), type, const, enum, minimum, required, properties,
    additionalProperties (as a schema), items, and if/then inside allOf.
    """
    if "$ref" in schema:
        yield from misfits(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{at} should be {' or '.join(kinds)}, but is {_kind(value)}"
        return
    if value not in schema.get("enum", [schema.get("const", value)]):
        yield f"{at} is {value!r}, which is not allowed there"
    if "minimum" in schema and isinstance(value, (int, float)) and value < schema["minimum"]:
        yield f"{at} is {value}, but should be at least {schema['minimum']}"
    if isinstance(value, dict):
        yield from _members(value, schema, root, at)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from misfits(item, schema["items"], root, f"{at}[{index}]")
    for rule in schema.get("allOf", []):
        if not any(misfits(value, rule["if"], root, at)):
            yield from misfits(value, rule["then"], root, at)


def _members(
    value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], at: str
) -> Iterator[str]:
    known = schema.get("properties", {})
    yield from (f"{at} lacks {key!r}" for key in schema.get("required", []) if key not in value)
    for key, member in value.items():
        rule = known.get(key, schema.get("additionalProperties"))
        if rule is not None:
            yield from misfits(member, rule, root, f"{at}.{key}")


def _is(value: Any, kind: str) -> bool:
    # In Python a bool is an int; in JSON it is not. NaN and infinities are no numbers of JSON.
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _kind(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return next(kind for kind in TYPES if _is(value, kind))
