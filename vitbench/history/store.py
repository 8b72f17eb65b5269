"""All reports of a folder, read once: plain files are the truth, and a cache spares reading them.

The cache is one .npz: a matrix of figures and a JSON of runs. It may be deleted at any time.
"""

import io
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.history.summary import Run, summarise
from vitbench.report.decode import decoded
from vitbench.report.figures import COLUMNS
from vitbench.report.files import write

# Raise when what is kept of a report changes its meaning.
CACHE_FORMAT = 8
COLUMN = {name: index for index, name in enumerate(COLUMNS)}
# Folders without runs of this project: a baseline is a copy of a run, an example is foreign.
SKIPPED_FOLDERS = ("baselines", "calibrations", "aa-runs", "example")


@dataclass(frozen=True)
class History:
    """Runs in the order of their time, the names of cases, and figures (rows, COLUMNS).

    Columns `run` and `case` of `figures` are indices into the other two; NaN is "not there".
    `damaged` has a sentence for each file that could not be read. What a run says of cases that it
    left out is in the run: `left_out`.
    """

    runs: tuple[Run, ...]
    cases: tuple[str, ...]
    figures: NDArray[np.float64]
    damaged: tuple[str, ...]

    def column(self, name: str) -> NDArray[np.float64]:
        return self.figures[:, COLUMN[name]]


def load(folder: Path, cache: Path | None = None) -> History:
    """Every *.json under `folder`, from `cache` where size and time of a file are unchanged.

    A damaged file is named in `damaged` and skipped. Raises UserError where `folder` is no folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder: give one that holds reports")
    problems: list[str] = []
    files = list(_files(folder, problems))
    known = _read_cache(cache) if cache else {}
    entries, changed = [], len(known) != len(files)
    for path, name, stamp in files:
        entry = known.get(name)
        if entry is None or entry[0] != stamp:
            entry, changed = (stamp, *_read(path, name, stamp[1] / 1e9)), True
        entries.append(entry)
    history, order = _join(entries)
    if cache and changed:
        _write_cache(cache, [(name, stamp) for _, name, stamp in files], entries, history, order)
    return replace(history, damaged=(*history.damaged, *problems))


def load_files(paths: Sequence[Path]) -> History:
    """The history of exactly these files, each named as it was given. Raises UserError, which
    names the file, where one cannot be read."""
    entries: list[Entry] = []
    for path in paths:
        entry = (None, *_read(path, str(path), 0.0))
        if entry[1] is None:
            raise UserError(entry[4])
        entries.append(entry)
    return _join(entries)[0]


def _files(folder: Path, problems: list[str]) -> Iterator[tuple[Path, str, tuple[int, int]]]:
    """The reports of a folder: path, name in it, size and time. Adds a sentence to `problems` for
    each file or folder that cannot be read."""

    def unlisted(error: OSError) -> None:
        name = Path(str(error.filename)).relative_to(folder).as_posix()
        problems.append(f"{name}: cannot list this folder: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=unlisted):
        folders[:] = sorted(x for x in folders if x not in SKIPPED_FOLDERS and x[0] != ".")
        for name in sorted(names):
            path = Path(place, name)
            if not name.endswith(".json") or name[0] == ".":
                continue
            shown = path.relative_to(folder).as_posix()
            try:
                status = path.stat()
            except OSError as error:
                if path.is_symlink():
                    problems.append(f"{shown}: a broken link: {error.strerror}")
                continue  # Else it was deleted since the folder was listed.
            if stat.S_ISREG(status.st_mode):
                yield path, shown, (status.st_size, status.st_mtime_ns)
            else:
                problems.append(f"{shown}: not a file")


Entry = tuple[Any, ...]
"""(size, mtime), Run or None, names of cases, figures (cases, COLUMNS), the sentence if damaged."""


def _read(path: Path, name: str, written: float) -> Entry:
    try:
        run, rows = summarise(decoded(path), name, written)
    except UserError as error:
        # Named as in the folder, so that a page does not show where the folder is.
        return None, (), np.empty((0, len(COLUMNS))), str(error).replace(str(path), name, 1)
    except OSError as error:
        return None, (), np.empty((0, len(COLUMNS))), f"{name}: cannot read it: {error.strerror}"
    figures = np.array([[*row.values()] for row in rows.values()])
    return run, tuple(rows), figures.reshape(len(rows), len(COLUMNS)), ""


def _join(entries: Sequence[Entry]) -> tuple[History, list[Entry]]:
    order = sorted((e for e in entries if e[1] is not None), key=lambda e: (e[1].time, e[1].file))
    index: dict[str, int] = {}
    parts = []
    for place, (_, _, names, figures, _) in enumerate(order):
        part = figures.copy()
        part[:, COLUMN["run"]] = place
        part[:, COLUMN["case"]] = [index.setdefault(name, len(index)) for name in names]
        parts.append(part)
    matrix = np.concatenate(parts) if parts else np.empty((0, len(COLUMNS)))
    damaged = tuple(entry[4] for entry in entries if entry[1] is None)
    return History(tuple(e[1] for e in order), tuple(index), matrix, damaged), order


def _read_cache(cache: Path) -> dict[str, Entry]:
    """What the cache knows, by file name; {} where it is missing, damaged or of another format."""
    try:
        with np.load(cache, allow_pickle=False) as stored:
            figures, meta = stored["figures"], json.loads(stored["meta"].tobytes())
        if meta["format"] != CACHE_FORMAT or figures.shape[1] != len(COLUMNS):
            return {}
        known: dict[str, Entry] = {}
        for file, stamp, run, start, stop, damaged in meta["files"]:
            part = figures[start:stop]
            names = tuple(meta["cases"][int(i)] for i in part[:, COLUMN["case"]])
            known[file] = (tuple(stamp), Run(**run) if run else None, names, part, damaged)
        with suppress(OSError):
            os.utime(cache)  # the least recently used of all caches goes first
        return known
    except Exception:  # a cache that is damaged in any way is not used: read the files
        return {}


def _write_cache(
    cache: Path,
    files: Sequence[tuple[str, tuple[int, int]]],
    entries: Sequence[Entry],
    history: History,
    order: Sequence[Entry],
) -> None:
    starts, at = {}, 0
    for entry in order:
        starts[id(entry)] = at
        at += len(entry[2])
    listed = [
        [
            name,
            stamp,
            asdict(e[1]) if e[1] else None,
            starts.get(id(e), 0),
            starts.get(id(e), 0) + len(e[2]),
            e[4],
        ]
        for (name, stamp), e in zip(files, entries, strict=True)
    ]
    meta = {"format": CACHE_FORMAT, "cases": history.cases, "files": listed}
    packed = io.BytesIO()
    np.savez(
        packed, figures=history.figures, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8)
    )
    # A folder that cannot be written costs time, not the answer.
    with suppress(UserError):
        write(cache, packed.getvalue())
