"""Figures of other tools as plain pytest-benchmark reports, so that a history keeps them."""

import csv
import io
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vitbench.errors import UserError


def as_report(path: Path) -> dict[str, Any]:
    """The report of a file: pytest-benchmark JSON as it is, timm's benchmark.py CSV or JSON.

    timm states no time of measurement, so the file's own is taken. Raises UserError, which names
    the file, where it is neither or holds no timing.
    """
    try:
        text, written = path.read_text(encoding="utf-8-sig"), path.stat().st_mtime
    except OSError as error:
        raise UserError(f"--import {path}: cannot read it: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"--import {path}: not UTF-8 text") from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _csv(text)
    if isinstance(found, dict) and isinstance(found.get("benchmarks"), list):
        return found
    rows = [found] if isinstance(found, dict) else found
    benchmarks = [
        benchmark
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        for benchmark in [_timm(row)]
        if benchmark
    ]
    if not benchmarks:
        raise UserError(
            f"--import {path}: neither a pytest-benchmark JSON nor CSV or JSON of timm's "
            "benchmark.py: no row has `model` and `infer_step_time`"
        )
    return {
        "machine_info": {"node": "imported from timm"}, "commit_info": {},
        "datetime": datetime.fromtimestamp(written, UTC).isoformat(), "version": "imported",
        "benchmarks": benchmarks,
    }  # fmt: skip


def _csv(text: str) -> list[dict[str, Any]]:
    try:
        return list(csv.DictReader(io.StringIO(text)))
    except csv.Error:
        return []


def _timm(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """One row of timm: `infer_step_time` is milliseconds of a batch of `infer_batch_size`."""
    name, seconds = row.get("model"), _number(row.get("infer_step_time")) / 1e3
    if not isinstance(name, str) or not name or not seconds > 0:
        return None
    batch, size = _number(row.get("infer_batch_size")), _number(row.get("infer_img_size"))
    label = f"timm/{name}" + (f"/b{batch:.0f}" if batch > 0 else "")
    label += f"/{size:.0f}px" if size > 0 else ""
    kept = {key: str(value) for key, value in row.items() if key and value is not None}
    return {
        "group": "timm", "name": label, "fullname": label, "extra_info": {"timm": kept},
        "stats": {"median": seconds, "mean": seconds, "min": seconds, "max": seconds,
                  "rounds": 1, "data": [seconds]},
    }  # fmt: skip


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
