"""What a report says of where it was taken: machine, versions, commit; and what differs."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from vitbench.errors import UserError
from vitbench.report.hardware import IDENTITY, differing_parts, hardware, identity


def machine(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the report says of its machine; {} for a plain pytest-benchmark file."""
    found = report.get("machine_info", {}).get("vitbench")
    return found if isinstance(found, dict) else {}


def fingerprint(report: Mapping[str, Any], name: str) -> str:
    """The class within which its figures may be compared. Raises UserError where it has none."""
    found = machine(report).get("fingerprint")
    if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{8,64}", found):
        raise UserError(
            f"{name}: it has no fingerprint of its machine, so only --baseline=FILE can compare it"
        )
    return found


def classes(found: Mapping[str, Any]) -> dict[str, str]:
    """The class of each model of `machine(report)`."""
    return {model: class_of(found, model) for model in _table(found.get("weights"))}


def class_of(found: Mapping[str, Any], model: str) -> str:
    """The class of a model of `machine(report)`, within which figures may be compared.

    It is the fingerprint that a report of this model alone would have, without what a library
    says of a GPU. A fingerprint that does not follow from what is recorded stands for itself.
    """
    own, weights = found.get("fingerprint"), _table(found.get("weights"))
    mine = {model: weights.get(model)}
    if own is None or follows(found):
        return _digest({**identity(found), "weights": mine})
    return str(own) if weights.keys() <= mine.keys() else _digest([own, mine])


def alone(found: Mapping[str, Any], model: str) -> dict[str, Any]:
    """`machine(report)` as of a report of one model."""
    mine = {model: _table(found.get("weights")).get(model)}
    rest = {key: each for key, each in found.items() if key != "fingerprint"}
    own = {"fingerprint": _digest(_recorded(found, mine))} if follows(found) else {}
    return {**own, **rest, "weights": mine, "classes": {model: class_of(found, model)}}


def with_models(found: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    """`machine(report)` as if its models had been called otherwise: `name` of each."""
    weights = {name(model): each for model, each in _table(found.get("weights")).items()}
    return with_weights(found, weights)


def with_weights(found: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
    """`machine(report)` as of a report of these models, given with their weights."""
    own = {"fingerprint": _digest(_recorded(found, weights))} if follows(found) else {}
    changed = {**found, **own, "weights": weights}
    return changed | ({"classes": classes(changed)} if "classes" in found else {})


def taken(report: Mapping[str, Any], name: str) -> datetime:
    """When the report was taken; UTC where it names no zone. Raises UserError without a date."""
    try:
        found = datetime.fromisoformat(str(report.get("datetime")))
    except ValueError as error:
        raise UserError(f"{name}: it has no `datetime`, so its age is not known") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def origin(report: Mapping[str, Any]) -> str:
    """When and of what a report was taken."""
    found = versions(report)
    told = ", ".join(f"{key} {found[key]}" for key in ("torch", "vitbench") if key in found)
    commit = str(report.get("commit_info", {}).get("id"))[:8]
    return f"the report of {report.get('datetime')}, commit {commit}, {told or 'no versions'}"


def differing(head: Mapping[str, Any], base: Mapping[str, Any], model: str = "") -> list[str]:
    """What differs between two machines, in words; [] where the figures of `model` compare.

    Weights of other models and versions of libraries do not count. Where either is a plain
    pytest-benchmark file, both are compared by what such files say.
    """
    ours, theirs = machine(head), machine(base)
    infos = [_table(each.get("machine_info")) for each in (head, base)]
    if not ours or not theirs:
        infos = [{k: v for k, v in info.items() if k != "vitbench"} for info in infos]
    told = [
        _differs(*each) + (", and the CPU is not named" if each[0] == "node" else "")
        for each in differing_parts(*map(hardware, infos))
    ]
    if not ours or not theirs:
        return told
    if _table(ours.get("weights")).get(model) != _table(theirs.get("weights")).get(model):
        told.append(f"weights of {model}")
    told += _differing_heads(head, base, model)
    same = _recorded(ours, ours.get("weights")) == _recorded(theirs, theirs.get("weights"))
    prints = {str(each["fingerprint"]) for each in (ours, theirs) if "fingerprint" in each}
    if same and len(prints) > 1:
        told.append("the fingerprint")  # of something that neither report records
    return told


def _differing_heads(head: Mapping[str, Any], base: Mapping[str, Any], model: str) -> list[str]:
    """How the outputs of a model are read otherwise, in words."""
    ours, theirs = (
        _table(_table(_table(each.get("vitbench")).get("models")).get(model))
        for each in (head, base)
    )
    known = (("head", "single-label"), ("threshold", 0.5))
    return [
        _differs(f"{key} of {model}", ours.get(key, usual), theirs.get(key, usual))
        for key, usual in known
        if ours.get(key, usual) != theirs.get(key, usual)
    ]


def versions(report: Mapping[str, Any]) -> dict[str, Any]:
    """Versions of what was installed. Reports of schema 1 have CUDA's beside the GPU's name."""
    found = machine(report)
    gpus = found.get("gpus")
    cuda = [_table(gpu).get("cuda") for gpu in (gpus if isinstance(gpus, list) else [])]
    return {**({"cuda": cuda[0]} if any(cuda) else {}), **_table(found.get("versions"))}


def changed(head: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Versions, variables and commit that changed since the baseline, in words; "" where none.

    They are what may explain a change, and no reason not to compare.
    """
    told = []
    variables = [_table(machine(each).get("variables")) for each in (head, base)]
    for ours, theirs in ((versions(head), versions(base)), variables):
        told += [_differs(key, ours.get(key), theirs.get(key)) for key in _changed(ours, theirs)]
    commits = [str(each.get("commit_info", {}).get("id"))[:8] for each in (head, base)]
    return ", ".join(told + ([_differs("commit", *commits)] if commits[0] != commits[1] else []))


def _recorded(found: Mapping[str, Any], weights: Any) -> dict[str, Any]:
    """What environment.describe makes a fingerprint of."""
    return {**{key: found.get(key) for key in IDENTITY}, "weights": weights}


def follows(found: Mapping[str, Any]) -> bool:
    """Whether the fingerprint of `machine(report)` is made of what is recorded there."""
    return found.get("fingerprint") == _digest(_recorded(found, found.get("weights")))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _changed(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    return [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]


def _differs(name: str, ours: Any, theirs: Any) -> str:
    return f"{name} {_plain(theirs)} -> {_plain(ours)}"


def _plain(value: Any) -> str:
    if isinstance(value, dict) and "model" in value:
        isa = value.get("isa")
        return f"{value['model']} ({' '.join(map(str, isa if isinstance(isa, list) else [isa]))})"
    return "none" if value in (None, []) else str(value)
