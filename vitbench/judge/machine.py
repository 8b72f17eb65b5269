"""What a report says of where it was taken: machine, versions, commit; and what differs."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vitbench.errors import UserError

IDENTITY = ("cpu", "cores", "quota", "gpus", "threads", "weights")
"""What a fingerprint is made of: environment.describe."""


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


def taken(report: Mapping[str, Any], name: str) -> datetime:
    """When the report was taken; UTC where it names no zone. Raises UserError without a date."""
    try:
        found = datetime.fromisoformat(str(report.get("datetime")))
    except ValueError as error:
        raise UserError(f"{name}: it has no `datetime`, so its age is not known") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def origin(report: Mapping[str, Any]) -> str:
    """When and of what a report was taken."""
    versions = machine(report).get("versions") or {}
    told = ", ".join(f"{key} {versions[key]}" for key in ("torch", "vitbench") if key in versions)
    commit = str(report.get("commit_info", {}).get("id"))[:8]
    return f"the report of {report.get('datetime')}, commit {commit}, {told or 'no versions'}"


def differing(head: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """What differs between two machines, in words; [] where their figures may be compared.

    Plain pytest-benchmark files are compared by the CPU's name and count.
    """
    ours, theirs = machine(head), machine(base)
    if not ours or not theirs:
        pairs = [(m.get("machine_info", {}).get("cpu") or {}) for m in (head, base)]
        keys = [key for key in ("brand_raw", "count") if all(key in cpu for cpu in pairs)]
        return [
            _differs(f"cpu {k}", *(cpu[k] for cpu in pairs))
            for k in keys
            if pairs[0][k] != pairs[1][k]
        ]
    if ours.get("fingerprint") == theirs.get("fingerprint"):
        return []
    told = [
        f"weights of {', '.join(_changed(ours.get(key), theirs.get(key)))}"
        if key == "weights" else _differs(key, ours.get(key), theirs.get(key))
        for key in IDENTITY if ours.get(key) != theirs.get(key)
    ]  # fmt: skip
    return told or ["the fingerprint"]


def changed(head: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Versions, variables and commit that changed since the baseline, in words; "" where none.

    They are what may explain a change, and no reason not to compare.
    """
    told = []
    for kind in ("versions", "variables"):
        ours, theirs = machine(head).get(kind) or {}, machine(base).get(kind) or {}
        told += [_differs(key, ours.get(key), theirs.get(key)) for key in _changed(ours, theirs)]
    commits = [str(each.get("commit_info", {}).get("id"))[:8] for each in (head, base)]
    return ", ".join(told + ([_differs("commit", *commits)] if commits[0] != commits[1] else []))


def _changed(ours: Any, theirs: Any) -> list[str]:
    keys = sorted({*(ours or {}), *(theirs or {})})
    return [key for key in keys if (ours or {}).get(key) != (theirs or {}).get(key)]


def _differs(name: str, ours: Any, theirs: Any) -> str:
    return f"{name} {_plain(theirs)} -> {_plain(ours)}"


def _plain(value: Any) -> str:
    if isinstance(value, dict) and "model" in value:
        return f"{value['model']} ({' '.join(map(str, value.get('isa', [])))})"
    return "none" if value in (None, []) else str(value)
