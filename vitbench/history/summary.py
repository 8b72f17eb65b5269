"""What a history keeps of a report: who, when and where it ran, and one row of figures a case."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from vitbench.errors import UserError
from vitbench.report.figures import Figures, figures_of, table
from vitbench.report.hardware import hardware
from vitbench.report.order import timestamp
from vitbench.report.reader import refuse_newer
from vitbench.report.sound import by_vitbench

# The node of figures of timm that an older vitbench imported, whatever machine they were from.
OLD_IMPORT = "imported from timm"


@dataclass(frozen=True)
class Run:
    """One report, without its figures. `time` is seconds since 1970, UTC; `classes` is the
    fingerprint class of each model ("" for what has no model), within which figures compare.
    `committed`: when its commit was made, None where the report does not say (of Mercurial it is
    the time of the tip). `seen`: by model, digests of the image files and of the pixels that reach
    it, with a colon between them; reports of schema 1 do not have them. `left_out`: why a case of
    it has no figures, by name ("": what is said of the whole report); `node`: what the machine is
    known by where nothing names its CPU, None elsewhere."""

    file: str
    time: float
    commit: str
    committed: float | None
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


def summarise(report: Any, file: str, written: float) -> tuple[Run, dict[str, Figures]]:
    """The run and, by case id or plain benchmark name, its figures by name of COLUMNS.

    `written` is the time of a report that states none. Looks only at what it takes: anything
    else may have any shape. A case that cannot be told from another, or whose time is none, is left
    out, and `left_out` of the run says why. Raises UserError where it is no report or of a newer
    schema.
    """
    if not isinstance(report, dict) or not isinstance(report.get("benchmarks"), list):
        raise UserError(f"{file}: not a report: it has no list 'benchmarks'")
    refuse_newer(report, file)
    rows, left_out = figures_of(report, file)
    return _run(report, file, written, left_out), rows


def _run(report: Mapping[str, Any], file: str, written: float, left_out: Mapping[str, str]) -> Run:
    ours = table(report, "vitbench")
    commit, machine = table(report, "commit_info"), table(report, "machine_info")
    if machine.get("node") == OLD_IMPORT:
        machine = {**machine, "node": PurePosixPath(file).stem}
    here, known = table(machine, "vitbench"), hardware(machine)
    weights = _texts(here.get("weights"))
    versions = {**_cuda(here), **_texts(here.get("versions"))}
    if not here and isinstance(machine.get("python_version"), str):
        versions = {"python": machine["python_version"]}
    missing = {
        name: f"{state}: {reason}"
        for state in ("unavailable", "failed")
        for name, reason in _texts(ours.get(state)).items()
    }
    time = timestamp(report.get("datetime"))
    if time is None:
        left_out = {
            "": "it does not say when it was taken: the date of the file counts",
            **left_out,
        }
    return Run(
        file,
        written if time is None else time,
        str(commit.get("id") or "")[:40],
        timestamp(commit.get("time")),
        bool(commit.get("dirty")),
        str(ours.get("reference") or ""),
        ours.get("complete") is not False,
        known.name,
        {model: _digest([known.parts, weights.get(model)]) for model in ("", *weights)},
        versions,
        _texts(here.get("variables")),
        weights,
        str(table(ours, "images").get("sha256") or ""),
        _seen(ours),
        missing,
        not by_vitbench(report),
        left_out,
        known.node,
    )


def _cuda(here: Mapping[str, Any]) -> dict[str, str]:
    """CUDA's version: no part of the machine, though reports have it beside the GPU's name."""
    gpus = here.get("gpus")
    cards = [gpu for gpu in gpus if isinstance(gpu, dict)] if isinstance(gpus, list) else []
    known = [gpu["cuda"] for gpu in cards if gpu.get("cuda")]
    return _texts({"cuda": known[0]}) if known else {}


def _seen(ours: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _texts(table(of, "images")) for name, of in _tables(ours, "models").items()}
    names = ("files_sha256", "pixels_sha256")
    return {
        model: ":".join(each[name][:16] for name in names)
        for model, each in found.items()
        if all(name in each for name in names)
    }


def _tables(holder: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in table(holder, key).items() if isinstance(each, dict)}


def _texts(value: Any) -> dict[str, str]:
    return {k: str(v)[:500] for k, v in value.items()} if isinstance(value, dict) else {}


def _digest(identity: Any) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
