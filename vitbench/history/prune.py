"""Which old reports of a history can go: no change is lost, and nothing that is not vitbench's."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.history.runs_to_keep import runs_to_keep
from vitbench.history.store import History
from vitbench.history.summary import Run, summarise
from vitbench.history.trends import Trend
from vitbench.report.decode import decoded
from vitbench.report.machine import classes, machine

# Of runs older than is kept whole, one of a week stays.
WEEK_SECONDS = 7 * 86400


def prunable(history: History, found: Sequence[Trend], keep_seconds: float) -> list[Run]:
    """The runs that the history does not need, oldest first.

    The history needs: runs younger than `keep_seconds` before vitbench's newest; the first run of
    each week, of every fingerprint class and every series; the newest run of a series; the runs
    without which a change of a series would not be found again; and a run without which a needed
    run of an older commit would count as new.
    """
    if not history.runs:
        return []
    # Another tool's clock or file says nothing of how old vitbench's own reports are.
    own = [run for run in history.runs if not run.plain] or history.runs
    limit = own[-1].time - keep_seconds
    keep = {index for index, run in enumerate(history.runs) if run.time >= limit}
    weeks: dict[tuple[str, ...], int] = {}
    for index, run in enumerate(history.runs):
        week = (str(int(run.time // WEEK_SECONDS)), *sorted(run.classes.values()))
        weeks.setdefault(week, index)
    keep |= set(weeks.values())
    for each in found:
        first = {int(history.runs[run].time // WEEK_SECONDS): run for run in reversed(each.runs)}
        keep |= set(first.values())
        for older, *_ in each.older:
            if older in keep:
                before = (run for run in reversed(each.runs) if run < older)
                keep |= {next(run for run in before if history.runs[run].committed is not None)}
        places = {place for place, run in enumerate(each.runs) if run in keep}
        keep |= {each.runs[place] for place in runs_to_keep(each.values, places)}
    return [run for index, run in enumerate(history.runs) if index not in keep]


Trace = tuple[str, frozenset[str]]
"""When a report was taken, and a digest of each of its benchmarks."""


def spared(run: Run, folder: Path, accepted: Collection[Trace]) -> str:
    """Why a report of a history is never to be deleted; "" where it may be.

    The file is read again: it may be another one by now.
    """
    path = folder / run.file
    if run.plain:
        return "another tool wrote it"
    inside = "/".join(Path(run.file).parts[:-1]).lower()
    if "baseline" in inside or _of_baselines(folder.resolve().name):
        return "it is in a folder of baselines"
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return "it is a link"
        if not status.st_mode & stat.S_IWUSR:
            return "it is read-only"
        report = decoded(path)
        if summarise(report, run.file, status.st_mtime_ns / 1e9)[0] != run:
            return "it changed since the history was read"
    except (UserError, OSError):
        return "it cannot be read any more"
    here = machine(report)
    if path.stem in {here.get("fingerprint"), *classes(here).values()}:
        return "it has the name of an accepted baseline"
    when, benchmarks = trace(report)
    # What was accepted may be one model of several.
    known = any(when == its and some <= benchmarks for its, some in accepted if some)
    return "it is an accepted baseline" if known else ""


def copies(history: History) -> dict[str, str]:
    """By file, another one of the same run in another folder: one of the two may be a baseline that
    somebody chose by hand."""
    found: dict[str, str] = {}
    first: dict[str, str] = {}
    for run in history.runs:
        key = json.dumps(asdict(replace(run, file="")), sort_keys=True)
        other = first.setdefault(key, run.file)
        if Path(other).parent != Path(run.file).parent:
            found |= {run.file: other, other: run.file}
    return found


def accepted_in(folder: Path, default: Path) -> list[Trace]:
    """The traces of the accepted baselines: in `default`, and in folders that are named after
    baselines, in `folder`, beside it and in the working directory."""
    files = set(default.glob("*.json"))
    for place in _baseline_folders(folder):
        files |= set(place.rglob("*.json"))
    found = []
    for file in files:
        with suppress(UserError):  # A damaged one equals no report of the history.
            found.append(trace(decoded(file)))
    return found


def trace(report: Any) -> Trace:
    """Of a report of any shape, encoding and layout."""
    holder = report if isinstance(report, dict) else {}
    found = holder.get("benchmarks")
    texts = [json.dumps(x, sort_keys=True) for x in (found if isinstance(found, list) else [])]
    digests = frozenset(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return str(holder.get("datetime")), digests


def _baseline_folders(folder: Path) -> Iterator[Path]:
    for root, names, _ in os.walk(folder):
        yield from (Path(root, name) for name in names if "baseline" in name.lower())
    for place in {folder.resolve().parent, Path.cwd()}:
        with suppress(OSError):  # A folder above may be none of the user's.
            yield from (x for x in place.iterdir() if _of_baselines(x.name) and x.is_dir())


def _of_baselines(name: str) -> bool:
    """Outside of the history by whole words only: a project may be named after baselines."""
    return bool(re.fullmatch(r"baselines?([-_. ].*)?|.*baselines?", name, re.IGNORECASE))
