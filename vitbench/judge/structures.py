"""Files of accepted structures, by key, and whether what a case executes is what one has."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from vitbench.errors import Unavailable, UserError
from vitbench.structure import Key, Structure, differences

SCHEMA = 1
PLACEHOLDER = "CASE"
"""In the path of a contract: the id of the case, whose parts are folders."""
DEFAULT = f"reports/structure/{PLACEHOLDER}.json"


@dataclass(frozen=True)
class StructureResult:
    """A structure beside a file of accepted ones: KEPT, BROKEN where a count differs, or UNPROVEN
    where the file has none of the same key. `lines`: what differs."""

    state: str
    sentence: str
    lines: tuple[str, ...] = ()


def file_of(path: str, case: str) -> str:
    """The file that a contract names for a case."""
    return path.replace(PLACEHOLDER, case.replace(":", "-"))


def compare(found: Structure, file: Path, case: str) -> StructureResult:
    """Exact, in both directions: fewer operators are a difference, too. Raises UserError where the
    file cannot be read or is damaged."""
    accepts = f"`vitbench structure {case} --accept`"
    known = read(file, case)
    if not known:
        words = f"no baseline: {file} does not exist: {accepts} writes it"
        return StructureResult("UNPROVEN", words)
    own = [each for each in known if same_key(each.key, found.key)]
    if not own:
        nearest = min((keys_apart(each.key, found) for each in known), key=len)
        words = f"no baseline for these conditions in {file} ({'; '.join(nearest)})"
        return StructureResult("UNPROVEN", f"{words}: {accepts} adds them", tuple(nearest))
    lines = differences(own[0], found)
    if not lines:
        return StructureResult("KEPT", f"what a call executes is what {file} has")
    words = f"a call executes otherwise than {file} has: {'; '.join(lines)}"
    return StructureResult("BROKEN", f"{words}. If that is meant: {accepts}", tuple(lines))


def same_key(one: Key, other: Key) -> bool:
    """Whether two structures have to be equal: the order of instruction sets says nothing."""
    plain = (replace(key, isa=tuple(sorted(key.isa))) for key in (one, other))
    return next(plain) == next(plain)


def keys_apart(known: Key, found: Structure) -> list[str]:
    """What differs of the keys alone, in words."""
    return differences(replace(found, key=known), found)


def read(file: Path, case: str) -> list[Structure]:
    """The accepted structures of a case; [] where there is no file. Raises UserError, one sentence,
    for a file that is no such thing, or is of another case."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{file}: cannot read the structures: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: the file of structures is damaged: not UTF-8 text") from error
    try:
        given = json.loads(text, object_pairs_hook=_each_once)
        schema, of = given["schema"], given["case"]
        found = [Structure.from_json(each) for each in given["structures"]]
    except (ValueError, KeyError, TypeError, RecursionError, Unavailable) as error:
        raise UserError(
            f"{file}: the file of structures is damaged ({_reason(error)}): take an earlier one "
            "from git, or delete it and accept again"
        ) from error
    if type(schema) is not int or schema != SCHEMA:
        raise UserError(
            f"{file}: the file of structures has schema {schema}, and this vitbench reads {SCHEMA}"
        )
    if of != case:
        raise UserError(f"{file}: the structures are of {of}, not of {case}: name another file")
    if not found:
        raise UserError(f"{file}: the file has no structure: delete it and accept again")
    if any(same_key(one.key, other.key) for one, other in combinations(found, 2)):
        raise UserError(
            f"{file}: the file has two structures for the same conditions: delete one of them"
        )
    return found


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError where a name stands twice, as after a bad merge."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


def with_accepted(known: Sequence[Structure], found: Structure, case: str) -> str:
    """The text of a file that has `found` in place of the one of its key, if any."""
    others = [each for each in known if not same_key(each.key, found.key)]
    kept = [each.to_json() for each in (*others, found)]
    kept.sort(key=lambda each: json.dumps(each["key"], sort_keys=True))
    document: dict[str, Any] = {"schema": SCHEMA, "case": case, "structures": kept}
    return json.dumps(document, indent=1) + "\n"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
