"""The figures of a report by case: which benchmarks have some, and why the others have none."""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from vitbench.errors import UserError
from vitbench.report.fields import FIELD, finite
from vitbench.report.loaded import NAMED_BOUND
from vitbench.report.sound import by_vitbench, is_ours

LONGEST_NAME = 300
LEAST, MOST = 1e-12, 1e12
"""No other time or ratio is real, and logarithms stay small."""
STATES = ("", "KEPT", "UNPROVEN", "BROKEN")
QUANTILES = (0, 5, 10, 25, 50, 75, 90, 95, 100)
_SHARES = {f"q{q}": q / 100 for q in QUANTILES}
COLUMNS = (
    "run", "case", "state", "claimed", "null_arm", "proven", "from_jpeg", "named_bound",
    *(column for field in FIELD.values() for column in field.columns),
    *_SHARES,
)  # fmt: skip
# The paths of all fields as a tree, so that a benchmark is read once, and what each field takes.
_TREE: dict[str, Any] = {}
for _field in FIELD.values():
    for _path in _field.paths:
        _way, _place = _path.split("/"), _TREE
        for _key in _way[:-1]:
            _place = _place.setdefault(_key, {})
        _place[_way[-1]] = _path
_NOTHING = dict.fromkeys(COLUMNS, math.nan)
Figures = dict[str, float]
"""Of one case, by name of COLUMNS and in their order."""
Found = dict[str, dict[str, Mapping[str, Any]]]
"""Benchmarks by case id or plain name, and by group; of a plain one the only group is PLAIN."""
PLAIN = "plain"
TWICE = "it is there more than once, and nothing says which one counts"


def figures_of(report: Mapping[str, Any], file: str) -> tuple[dict[str, Figures], dict[str, str]]:
    """By case id or plain name: its figures, or why there are none. Name "": of the whole report.

    Raises UserError, which names `file`, where a benchmark is no object.
    """
    found, left_out = _by_name(report, file)
    rows = {}
    for name, benchmarks in found.items():
        why = _unusable(benchmarks)
        if why:
            left_out.setdefault(name, why)
        if name not in left_out:
            rows[name] = _row(benchmarks)
    return rows, left_out


def _by_name(report: Mapping[str, Any], file: str) -> tuple[Found, dict[str, str]]:
    """The benchmarks of a report, and why some of them cannot be told apart."""
    ours, found, left_out = by_vitbench(report), Found(), dict[str, str]()
    for number, benchmark in enumerate(report["benchmarks"], 1):
        if not isinstance(benchmark, dict):
            raise UserError(f"{file}: not a report: a benchmark is no object")
        case = table(benchmark, "extra_info")["case"] if ours and is_ours(benchmark) else {}
        name, group = case.get("id"), str(benchmark.get("group"))
        if not case:
            name, group = benchmark.get("fullname") or benchmark.get("name"), PLAIN
        if not isinstance(name, str) or not name:
            left_out[f"benchmark {number}"] = "it has no name"
            continue
        groups = found.setdefault(shortened(name), {})
        if group in groups or (groups and PLAIN in (group, *groups)):
            left_out[shortened(name)] = TWICE
        groups[group] = benchmark
    if not found and not left_out:
        left_out[""] = "it has no benchmarks"
    return found, left_out


def shortened(name: str) -> str:
    """A name of at most 300 characters; a longer one ends in a digest of all of it."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - 17]}~{digest}"


def _unusable(benchmarks: Mapping[str, Mapping[str, Any]]) -> str:
    """Why the time of a case is none; "" where it is one, or the case was not timed."""
    timed = _timed(benchmarks)
    if timed is None:
        return ""
    stats = table(timed, "stats")
    told = "" if plausible(stats.get("median")) else f"its median is {_shown(stats, 'median')}"
    ratio = table(table(timed, "extra_info"), "ratio")
    if PLAIN not in benchmarks and not plausible(ratio.get("speedup")):
        told = told or f"its speed-up is {_shown(ratio, 'speedup')}"
    return told


def _shown(holder: Mapping[str, Any], key: str) -> str:
    return json.dumps(holder[key])[:40] if key in holder else "not there"


def plausible(value: Any) -> bool:
    """Whether a value of JSON may be a time or a ratio."""
    return finite(value) and LEAST < value < MOST


def _timed(benchmarks: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((benchmarks[x] for x in ("latency", "throughput", PLAIN) if x in benchmarks), None)


def _row(benchmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    if PLAIN in benchmarks:  # What stands in another suite's extra_info is its own.
        benchmarks = {"latency": {"stats": benchmarks[PLAIN].get("stats")}}
    row, read = dict(_NOTHING), dict[str, dict[str, float]]()
    for group, benchmark in benchmarks.items():
        read[group] = {}
        _numbers(benchmark, _TREE, read[group])
    for groups, path, column, bounds in _plan(*benchmarks):  # As Field.found, of all at once.
        for group in groups:
            if path in (numbers := read[group]):
                row[column] = numbers[path]
                for at, name in bounds:
                    row[name] = numbers.get(at, math.nan)
                break
    timed = _timed(benchmarks) or {}
    extra = table(timed, "extra_info")
    agreement = table(extra, "agreement")
    state = agreement.get("state")
    row["state"] = float(STATES.index(state)) if state in STATES else 0.0
    row["claimed"] = float(agreement.get("claimed") is True)
    row["null_arm"] = float(table(extra, "reference").get("null_arm") is True)
    load = table(benchmarks.get("load", {}), "extra_info")
    row["proven"] = float(load.get("load_evidence") == "proven")
    row["from_jpeg"] = float(load.get("samples") == "photo")
    row["named_bound"] = float(load.get("latency_bound") == NAMED_BOUND)
    data = table(timed, "stats").get("data")
    rounds = _sorted(data) if isinstance(data, list) else []
    for column, index in _ranks(len(rounds)):
        row[column] = rounds[index]
    for name in ("seconds", "speedup", "low", "high"):
        if not LEAST < row[name] < MOST:
            row[name] = math.nan
    return row


@lru_cache(maxsize=64)  # a file may have groups of any name
def _plan(*groups: str) -> list[tuple[list[str], str, str, list[tuple[str, str]]]]:
    """Of each field that a case with these groups may have: those of them that hold it, the path
    and the column of its figure, and those of its bounds."""
    found = []
    for field in FIELD.values():
        (path, *rest), (column, *names) = field.paths, field.columns
        holding = [group for group in field.groups if group in groups]
        found.append((holding, path, column, [*zip(rest, names, strict=True)]))
    return [each for each in found if each[0]]


@cache
def _ranks(count: int) -> list[tuple[str, int]]:
    """Column and index of every quantile among `count` sorted rounds; none of none."""
    return [(name, round(share * (count - 1))) for name, share in _SHARES.items() if count]


def _sorted(data: list[Any]) -> list[float]:
    """The finite numbers of a list."""
    if set(map(type, data)) == {float} and math.isfinite(sum(data)):  # most are, and it is fast
        return sorted(data)
    return sorted(float(x) for x in data if finite(x))


def _numbers(holder: Mapping[str, Any], tree: Mapping[str, Any], found: dict[str, float]) -> None:
    """Adds the finite numbers of a benchmark by path."""
    for key, below in tree.items():
        value: Any = holder.get(key)
        kind = type(value)
        if type(below) is dict:
            if kind is dict:
                _numbers(value, below, found)
        elif kind is float:  # as most are: `finite`, without a call
            if -math.inf < value < math.inf:
                found[below] = value
        elif kind is int and finite(value):
            found[below] = float(value)


def table(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}
