"""The results in docs/families.json: read, added to cell by cell, made into docs/families.md."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.family_rows import FAMILIES
from vitbench.environment import installed
from vitbench.runtimes import VARIANTS

Cells = dict[str, dict[str, dict[str, Any]]]
"""A cell by the id of its family and the name of its variant."""
PACKAGES = ("torch", "timm", "transformers", "torchao", "onnxruntime", "openvino", "nncf",
            "executorch", "zentorch")  # fmt: skip
# Columns, cheap ones first: what compiles code takes a minute a cell.
_LAST = ("executorch", "inductor", "aot_inductor", "zentorch")
_CPU = [row for row in VARIANTS if "cpu" in row.devices]
COLUMNS = tuple(
    row.name
    for runtimes in ({row.runtime for row in _CPU} - {*_LAST}, *([each] for each in _LAST))
    for row in _CPU
    if row.runtime in runtimes
)
STATES = {"runs": "runs", "unavailable": "unavailable", "failed": "FAILS"}

COMMAND = "python -m tests.families"
HEAD = f"""# Which network runs as which variant?

Each family of image networks has a row, each variant for the CPU a column. `{COMMAND}`
built each cell from seeded weights and called it on 8 images at batches 1 and 8, in a process of
its own. How well a variant agrees with float32 says nothing of trained weights then, so cells do
not judge it.

- **runs**: built, loaded, and it answers every image with finite numbers.
- **unavailable** and a number: the variant cannot be made of this network, for the reason below
  the tables; a run says that reason, skips the case and goes on.
- **FAILS** and a number: a defect, with its sentence below the tables.
- **-**: not run yet, or ended by the time or the memory of the machine (`--build-seconds`,
  `--build-memory`): the run names such a cell and keeps none.

The same command goes on where it was interrupted. `--part=1/4` takes a fourth of the cells,
`--family=GLOB` and `--variant=GLOB` choose some, `--minutes=N` begins none after that time,
`--again=GLOB` runs those again whose state or sentence is like that, and `--render` writes this
page alone.
"""


def read(path: Path) -> dict[str, Any]:
    """The results of a file; without one, none."""
    if not path.is_file():
        return {"versions": {}, "cells": {}}
    return dict(json.loads(path.read_text("utf-8")))


def add(path: Path, family: str, variant: str, cell: Mapping[str, Any]) -> None:
    """Write one more cell to the results, beside what other processes write at the same time."""
    with _alone(path.parent):
        data = read(path)
        data["versions"] = {name: installed(name) for name in PACKAGES}
        data["cells"].setdefault(family, {})[variant] = dict(cell)
        _replace(path, json.dumps(_ordered(data), indent=1) + "\n")


def write_page(results: Path, page: Path) -> None:
    """Make the page of the results."""
    with _alone(results.parent):
        _replace(page, render(read(results)))


def _ordered(data: Mapping[str, Any]) -> dict[str, Any]:
    """Rows and columns in the order of the tables, so that a change of one cell is a change of few
    lines. What is no row or column any more is left out."""
    cells: Cells = data["cells"]
    kept = {
        family.id: {name: cells[family.id][name] for name in COLUMNS if name in cells[family.id]}
        for family in FAMILIES
        if family.id in cells
    }
    return {"versions": data["versions"], "cells": kept}


def render(data: Mapping[str, Any]) -> str:
    """The page, of what `read` returns."""
    cells: Cells = data["cells"]
    sentences: dict[str, int] = {}
    tables = []
    for source in ("timm", "transformers"):
        tables += [f"\n## From {source}\n", f"| family | network | {' | '.join(COLUMNS)} |"]
        tables.append("| --- " * (len(COLUMNS) + 2) + "|")
        for family in FAMILIES:
            if family.source == source:
                row = cells.get(family.id, {})
                texts = [_text(row.get(name), sentences) for name in COLUMNS]
                network = f"`{family.model}`" + (f" ({family.note})" if family.note else "")
                tables.append(f"| {family.name} | {network} | {' | '.join(texts)} |")
    versions = ", ".join(f"{name} {v}" for name, v in data["versions"].items() if v)
    head = f"{HEAD}\n{_counts(cells)}" + (f" With {versions}.\n" if versions else "\n")
    listed = [f"{number}. {sentence}" for sentence, number in sentences.items()]
    return "\n".join([head + "\n".join(tables), "\n## Sentences\n", *listed]).rstrip() + "\n"


def _text(cell: Mapping[str, Any] | None, sentences: dict[str, int]) -> str:
    """A cell of the tables; its sentence gets the number that it has, or the next one."""
    if cell is None:
        return "-"
    if cell["state"] == "runs":
        return "runs"
    sentence = cell["reason"].replace("<", "&lt;").replace("*", "\\*")
    return f"{STATES[cell['state']]} {sentences.setdefault(sentence, len(sentences) + 1)}"


def _counts(cells: Cells) -> str:
    """How many cells there are of each state, in a sentence."""
    states = [cell["state"] for row in cells.values() for cell in row.values()]
    whole = len(FAMILIES) * len(COLUMNS)
    said = [f"{states.count(state)} {word}" for state, word in STATES.items() if state in states]
    said.append(f"{whole - len(states)} not run yet")
    return f"Of {whole} cells: {', '.join(said)}."


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process is in here for this folder."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(text, "utf-8")
    beside.replace(path)
