"""What a history keeps of a report: who, when and where it ran, and one row of figures a case."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vitbench.errors import UserError
from vitbench.judge.report import SCHEMA_VERSION

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
    fingerprint class of each model ("" for what has no model), within which figures compare."""

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
    missing: Mapping[str, str]
    plain: bool

    @property
    def date(self) -> str:
        return datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d %H:%M")


def summarise(report: Any, file: str, written: float) -> tuple[Run, dict[str, dict[str, float]]]:
    """The run and, by case id or plain benchmark name, its figures by name of COLUMNS.

    `written` is the time of a report that states none. Looks only at what it takes: anything
    else may have any shape. Raises UserError where it is no report or of a newer schema.
    """
    if not isinstance(report, dict) or not isinstance(report.get("benchmarks"), list):
        raise UserError(f"{file}: not a report: it has no list 'benchmarks'")
    ours = _table(report, "vitbench")
    versions = [ours.get("schema")]
    rows: dict[str, dict[str, Mapping[str, Any]]] = {}
    for benchmark in report["benchmarks"]:
        if not isinstance(benchmark, dict):
            raise UserError(f"{file}: not a report: a benchmark is no object")
        extra = _table(benchmark, "extra_info")
        versions.append(extra.get("schema"))
        name = _table(extra, "case").get("id")
        group = benchmark.get("group")
        if not isinstance(name, str):
            name, group = benchmark.get("fullname") or benchmark.get("name"), "latency"
        if isinstance(name, str) and name:
            rows.setdefault(name[:300], {})[str(group)] = benchmark
    for version in versions:
        if type(version) is int and version > SCHEMA_VERSION:
            raise UserError(
                f"{file}: its schema is {version}, and this vitbench reads up to "
                f"{SCHEMA_VERSION}: read it with a newer vitbench"
            )
    return _run(report, ours, file, written), {name: _row(found) for name, found in rows.items()}


def _run(report: Mapping[str, Any], ours: Mapping[str, Any], file: str, written: float) -> Run:
    commit, machine = _table(report, "commit_info"), _table(report, "machine_info")
    here = _table(machine, "vitbench")
    weights = _texts(here.get("weights"))
    cpu = _table(here, "cpu") or {"model": _table(machine, "cpu").get("brand_raw")}
    identity = [cpu.get("model"), cpu.get("isa"), here.get("cores"), here.get("quota"),
                here.get("gpus"), here.get("threads")]  # fmt: skip
    if not here:
        identity += [machine.get("machine"), _table(machine, "cpu").get("count"),
                     machine.get("node")]  # fmt: skip
    versions = _texts(here.get("versions"))
    if not here and isinstance(machine.get("python_version"), str):
        versions = {"python": machine["python_version"]}
    cores = here.get("cores") or _table(machine, "cpu").get("count")
    label = f"{cpu.get('model') or machine.get('node') or 'unknown machine'}, {cores} cores"
    if here.get("threads"):
        label += f", {here['threads']} threads"
    gpus = here.get("gpus") if isinstance(here.get("gpus"), list) else []
    label += "".join(f", {gpu.get('name')}" for gpu in gpus or [] if isinstance(gpu, dict))
    missing = {
        name: f"{state}: {reason}"
        for state in ("unavailable", "failed")
        for name, reason in _texts(ours.get(state)).items()
    }
    return Run(
        file, _time(report.get("datetime"), written), str(commit.get("id") or "")[:40],
        bool(commit.get("dirty")), str(ours.get("reference") or ""),
        ours.get("complete") is not False, label[:200],
        {model: _digest([*identity, weights.get(model)]) for model in ("", *weights)},
        versions, _texts(here.get("variables")), weights,
        str(_table(ours, "images").get("sha256") or ""), missing, not ours,
    )  # fmt: skip


def _row(benchmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    timed = benchmarks.get("latency") or benchmarks.get("throughput")
    foot = benchmarks.get("footprint")
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
        if (
            not 1e-12 < row[name] < 1e12
        ):  # No such time or ratio is real, and logarithms stay small.
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


def _texts(value: Any) -> dict[str, str]:
    return {k: str(v)[:500] for k, v in value.items()} if isinstance(value, dict) else {}


def _time(text: Any, otherwise: float) -> float:
    try:
        found = datetime.fromisoformat(text)
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        datetime.fromtimestamp(seconds, UTC)  # Near year 1 or 9999 there is no way back.
        return seconds
    except (TypeError, ValueError, OverflowError, OSError):
        return otherwise


def _digest(identity: Any) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
