"""The rows that timm's benchmark.py writes: which times they have, and which are not used."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vitbench.report.figures import plausible

# benchmark.py begins so what it prints of its results, for the program that started it.
MARK = "--result"
# What it puts before the names of its columns, and what that is in the name of a case. Its oldest
# versions put nothing.
KINDS = {"infer_": "", "train_": "train/", "": ""}
Row = Mapping[str, Any]


def parse(text: str) -> tuple[list[Any], list[str]]:
    """The rows in JSON, printed or in a file, or in CSV; and what else was there, in words.

    CSV may have `;` or tabs between its cells, as spreadsheets write it, and decimal commas then.
    """
    if MARK in (line.strip() for line in text.splitlines()):
        return _printed(text)
    try:
        found = json.loads(text)
        return (found if isinstance(found, list) else [found]), []
    except (ValueError, RecursionError):
        pass
    head = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    lines = io.StringIO(text.strip(), newline=None)
    try:
        rows = list(csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        return [], [f"not CSV: {error}"]
    if delimiter == ";":
        rows = [{key: _point(value) for key, value in row.items()} for row in rows]
    return list(rows), []


def benchmarks(rows: Sequence[Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """A plain benchmark for each time, and a sentence for each kind of row that gives none.

    A time is `infer_step_time` or `train_step_time`: milliseconds of a batch.
    """
    found: list[dict[str, Any]] = []
    failed, timeless, nameless = [], [], 0
    for row in rows:
        name = row.get("model") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name.strip():
            nameless += 1
        elif error := str(row.get("error") or "").strip():
            failed.append(f"{name} ({' '.join(error.split())[:80]})")
        elif times := list(_times(name.strip(), row)):
            found += times
        else:
            timeless.append(name)
    count = Counter(each["name"] for each in found)
    twice = [name for name, times in count.items() if times > 1]
    told = [
        f"{len(names)} of {_rows(len(rows))} {words}: {', '.join(names)}"
        for names, words in ((failed, "failed in timm"), (timeless, "without a time"))
        if names
    ]
    told += [f"{nameless} of {_rows(len(rows))} without a model"] if nameless else []
    if twice:
        words = "there more than once, and nothing says which one counts"
        told.append(f"{words}: {', '.join(twice)}")
    return [each for each in found if count[each["name"]] == 1], told


def has_times(rows: Sequence[Any]) -> bool:
    """Whether these are rows of timm: one has a column of times, or tells why it has none."""
    columns = {"error", *(f"{kind}step_time" for kind in KINDS)}
    return any(isinstance(row, dict) and "model" in row and columns & row.keys() for row in rows)


def _printed(text: str) -> tuple[list[Any], list[str]]:
    rows, told, blocks = [], list[str](), [list[str]()]
    for line in text.splitlines():
        if line.strip() == MARK:
            blocks.append([])
        else:
            blocks[-1].append(line)
    for block in blocks[1:]:
        try:
            found, _ = json.JSONDecoder().raw_decode("\n".join(block).strip())
            rows += found if isinstance(found, list) else [found]
        except (ValueError, RecursionError) as error:
            told.append(f"what follows a line {MARK} is not JSON: {error}")
    return rows, told


def _times(name: str, row: Row) -> Iterator[dict[str, Any]]:
    for kind, words in KINDS.items():
        seconds = _number(row.get(f"{kind}step_time")) / 1e3
        if plausible(seconds):
            yield _benchmark(f"timm/{words}{name}", seconds, kind, row)


def _benchmark(label: str, seconds: float, kind: str, row: Row) -> dict[str, Any]:
    batch, size = (_number(row.get(f"{kind}{key}")) for key in ("batch_size", "img_size"))
    label += f"/b{batch:.0f}" if batch > 0 else ""
    label += f"/{size:.0f}px" if size > 0 else ""
    kept = {key: str(value) for key, value in row.items() if key and value is not None}
    return {
        "group": "timm", "name": label, "fullname": label, "extra_info": {"timm": kept},
        "stats": {"median": seconds, "mean": seconds, "min": seconds, "max": seconds,
                  "rounds": 1, "data": [seconds]},
    }  # fmt: skip


def _rows(number: int) -> str:
    return f"{number} row{'s' * (number != 1)}"


def _point(value: Any) -> Any:
    """A number with a decimal comma, and points between its thousands, as Python reads it."""
    text = value.replace(".", "").replace(",", ".") if isinstance(value, str) else ""
    return text if "," in str(value) and math.isfinite(_number(text)) else value


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
