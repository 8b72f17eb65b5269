"""What a history keeps of a report: who, when and where it ran, and one row of figures a case."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vitbench.errors import UserError
from vitbench.judge.hardware import hardware
from vitbench.judge.report import refuse_newer
from vitbench.judge.sound import by_vitbench, is_ours

LONGEST_NAME = 300
STATES = ("", "KEPT", "UNPROVEN", "BROKEN")
QUANTILES = (0, 5, 10, 25, 50, 75, 90, 95, 100)
# Column, and where it stands: group of benchmark (None: the timed one), path. NaN where absent.
_TIMED, _FOOT = None, "footprint"
FIGURES: tuple[tuple[str, str | None, str], ...] = (
    ("seconds", _TIMED, "stats/median"),
    ("p95_seconds", _TIMED, "extra_info/p95_seconds"),
    ("speedup", _TIMED, "extra_info/ratio/speedup"),
    ("low", _TIMED, "extra_info/ratio/low"),
    ("high", _TIMED, "extra_info/ratio/high"),
    ("images_per_second", _TIMED, "extra_info/images_per_second"),
    ("agreement", _TIMED, "extra_info/agreement/share"),
    ("agreement_lower", _TIMED, "extra_info/agreement/lower"),
    ("operations", _TIMED, "extra_info/roofline/operations"),
    ("peak_per_second", _TIMED, "extra_info/roofline/peak_per_second"),
    ("bytes", _TIMED, "extra_info/artifact/bytes"),
    ("memory_bytes", _FOOT, "extra_info/peak_memory_bytes"),
    ("load_seconds", _FOOT, "extra_info/load_seconds"),
    ("first_seconds", _FOOT, "extra_info/first_inference_seconds"),
)
_KEYS = {path: path.split("/") for _, _, path in FIGURES}
COLUMNS = (
    "run", "case", "state", "claimed", "null_arm", *(name for name, _, _ in FIGURES),
    *(f"q{q}" for q in QUANTILES),
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One report, without its figures. `time` is seconds since 1970, UTC; `classes` is the
    fingerprint class of each model ("" for what has no model), within which figures compare.
    `seen`: by model, digests of the image files and of the pixels that reach it, with a colon
    between them; reports of schema 1 do not have them. `left_out`: why a case of it has no figures,
    by name ("": what is said of the whole report); `node`: what the machine is known by where
    nothing names its CPU, None elsewhere."""

    file: str
    time: float
    commit: str
    dirty: bool
    reference: str
    complete: bool
    machine: str
    classes: Mapping[str, str]
    versions: Mapping[str, str]
    variables: Mapping[str, str]
    weights: Mapping[str, str]
    images: str
    seen: Mapping[str, str]
    missing: Mapping[str, str]
    plain: bool
    left_out: Mapping[str, str]
    node: str | None

    @property
    def date(self) -> str:
        return datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d %H:%M")


def summarise(report: Any, file: str, written: float) -> tuple[Run, dict[str, dict[str, float]]]:
    """The run and, by case id or plain benchmark name, its figures by name of COLUMNS.

    `written` is the time of a report that states none. Looks only at what it takes: anything
    else may have any shape. A case that cannot be told from another, or whose time is none, is left
    out, and `left_out` of the run says why. Raises UserError where it is no report or of a newer
    schema.
    """
    if not isinstance(report, dict) or not isinstance(report.get("benchmarks"), list):
        raise UserError(f"{file}: not a report: it has no list 'benchmarks'")
    refuse_newer(report, file)
    found, left_out = _by_name(report, file)
    rows = {}
    for name, benchmarks in found.items():
        why = _unusable(benchmarks)
        if why:
            left_out.setdefault(name, why)
        if name not in left_out:
            rows[name] = _row(benchmarks)
    return _run(report, file, written, left_out), rows


Found = dict[str, dict[str, Mapping[str, Any]]]
"""Benchmarks by case id or plain name, and by group; of a plain one the only group is PLAIN."""
PLAIN = "plain"


def _by_name(report: Mapping[str, Any], file: str) -> tuple[Found, dict[str, str]]:
    """The benchmarks of a report, and why some of them cannot be told apart."""
    ours, found, left_out = by_vitbench(report), Found(), dict[str, str]()
    for number, benchmark in enumerate(report["benchmarks"], 1):
        if not isinstance(benchmark, dict):
            raise UserError(f"{file}: not a report: a benchmark is no object")
        case = _table(benchmark, "extra_info")["case"] if ours and is_ours(benchmark) else {}
        name, group = case.get("id"), str(benchmark.get("group"))
        if not case:
            name, group = benchmark.get("fullname") or benchmark.get("name"), PLAIN
        if not isinstance(name, str) or not name:
            left_out[f"benchmark {number}"] = "it has no name"
            continue
        groups = found.setdefault(shortened(name), {})
        if group in groups:
            left_out[shortened(name)] = "the report has it more than once, so which is it?"
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
    stats = _table(timed, "stats")
    told = "" if plausible(stats.get("median")) else f"its median is {_shown(stats, 'median')}"
    ratio = _table(_table(timed, "extra_info"), "ratio") if PLAIN not in benchmarks else {}
    if "speedup" in ratio and not plausible(ratio["speedup"]):
        told = told or f"its speed-up is {_shown(ratio, 'speedup')}"
    return told


def _shown(holder: Mapping[str, Any], key: str) -> str:
    return json.dumps(holder[key])[:40] if key in holder else "not there"


def plausible(value: Any) -> bool:
    """No other time or ratio is real, and logarithms stay small."""
    return _finite(value) and 1e-12 < value < 1e12


def _timed(benchmarks: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((benchmarks[x] for x in ("latency", "throughput", PLAIN) if x in benchmarks), None)


def _run(report: Mapping[str, Any], file: str, written: float, left_out: Mapping[str, str]) -> Run:
    ours = _table(report, "vitbench")
    commit, machine = _table(report, "commit_info"), _table(report, "machine_info")
    here, known = _table(machine, "vitbench"), hardware(machine)
    weights = _texts(here.get("weights"))
    versions = _texts(here.get("versions"))
    if not here and isinstance(machine.get("python_version"), str):
        versions = {"python": machine["python_version"]}
    missing = {
        name: f"{state}: {reason}"
        for state in ("unavailable", "failed")
        for name, reason in _texts(ours.get(state)).items()
    }
    time = _time(report.get("datetime"))
    if time is None:
        left_out = {
            "": "it does not say when it was taken: the date of the file counts",
            **left_out,
        }
    return Run(
        file, written if time is None else time, str(commit.get("id") or "")[:40],
        bool(commit.get("dirty")), str(ours.get("reference") or ""),
        ours.get("complete") is not False, known.name,
        {model: _digest([known.parts, weights.get(model)]) for model in ("", *weights)},
        versions, _texts(here.get("variables")), weights,
        str(_table(ours, "images").get("sha256") or ""), _seen(ours), missing,
        not by_vitbench(report), left_out, known.node,
    )  # fmt: skip


def _seen(ours: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _texts(_table(of, "images")) for name, of in _tables(ours, "models").items()}
    names = ("files_sha256", "pixels_sha256")
    return {
        model: ":".join(each[name][:16] for name in names)
        for model, each in found.items()
        if all(name in each for name in names)
    }


def _row(benchmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    timed, foot = _timed(benchmarks), benchmarks.get("footprint")
    if PLAIN in benchmarks:  # What stands in another suite's extra_info is its own.
        timed = {"stats": benchmarks[PLAIN].get("stats")}
    row = {}
    for name, group, path in FIGURES:
        row[name] = _number(timed if group is None else foot, path)
    if math.isnan(row["bytes"]):
        row["bytes"] = _number(foot, "extra_info/artifact/bytes")
    extra = _table(timed or {}, "extra_info")
    agreement = _table(extra, "agreement")
    state = agreement.get("state")
    row["state"] = float(STATES.index(state)) if state in STATES else 0.0
    row["claimed"] = float(agreement.get("claimed") is True)
    row["null_arm"] = float(_table(extra, "reference").get("null_arm") is True)
    data = _table(timed or {}, "stats").get("data")
    rounds = sorted(float(x) for x in data if _finite(x)) if isinstance(data, list) else []
    for q in QUANTILES:
        row[f"q{q}"] = rounds[round(q / 100 * (len(rounds) - 1))] if rounds else math.nan
    for name in ("seconds", "speedup", "low", "high"):
        if not plausible(row[name]):
            row[name] = math.nan
    return row


def _number(benchmark: Mapping[str, Any] | None, path: str) -> float:
    value: Any = benchmark
    for key in _KEYS[path]:
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if _finite(value) else math.nan


def _finite(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def _table(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _tables(holder: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in _table(holder, key).items() if isinstance(each, dict)}


def _texts(value: Any) -> dict[str, str]:
    return {k: str(v)[:500] for k, v in value.items()} if isinstance(value, dict) else {}


def _time(text: Any) -> float | None:
    try:
        found = datetime.fromisoformat(text)
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        datetime.fromtimestamp(seconds, UTC)  # Near year 1 or 9999 there is no way back.
        return seconds
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _digest(identity: Any) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
