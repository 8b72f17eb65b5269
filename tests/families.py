"""Which family of networks runs as which variant: `python -m tests.families`, in hours.

Cells that are not in docs/families.json yet are built and verified, each in a process of its own;
docs/families.md is made of the file. A run that is interrupted loses the cell that it is at, and
the next one goes on. Exit code 1 where a cell of this run FAILS. A cell that time or memory ends is
named and not kept: that is of the machine.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic
from typing import Any

from tests.helpers.family_rows import FAMILIES, Family
from tests.helpers.family_table import COLUMNS, STATES, add, read, write_page
from vitbench.build.artifacts import default_folder
from vitbench.build.ask import ask
from vitbench.build.memory import default_limit
from vitbench.errors import ACROSS_PROCESSES, near
from vitbench.measure.options import build_memory
from vitbench.runtimes import variant
from vitbench.runtimes.catalogue import declared

ROOT = Path(__file__).parents[1]
CELL = (sys.executable, "-P", "-m", "tests.helpers.family_cell")
AROUND_SECONDS = 300.0  # for what is not the build: loading, verification at two batches
_MACHINES = re.compile(
    r"of memory and was stopped|was stopped: no answer in|was killed by SIGKILL, as when memory"
)


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """The options. Ends with a usage error for a bad one."""
    parser = argparse.ArgumentParser(prog="python -m tests.families", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/families.json")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="K/N")
    parser.add_argument("--family", action="append", metavar="GLOB")
    parser.add_argument("--variant", action="append", metavar="GLOB")
    parser.add_argument("--again", metavar="GLOB")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--build-seconds", type=float, default=900.0)
    parser.add_argument("--build-memory", type=build_memory, default=None)
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args(words)
    if options.out.suffix != ".json":
        parser.error(f"--out={options.out}: give a file NAME.json: the page is NAME.md beside it")
    for glob in options.family or ():
        if not any(_is_of(glob, family) for family in FAMILIES):
            names = {name for family in FAMILIES for name in _names(family)}
            parser.error(f"--family={glob}: no row of the tables is called so: {near(glob, names)}")
    for glob in options.variant or ():
        if not any(fnmatchcase(name, glob) for name in COLUMNS):
            parser.error(f"--variant={glob}: no column is called so: {near(glob, COLUMNS)}")
    return options


def _names(family: Family) -> tuple[str, ...]:
    """What --family may call a row."""
    return family.id, family.name, family.source


def _is_of(glob: str, family: Family) -> bool:
    return any(fnmatchcase(name, glob) for name in _names(family))


def _part(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if not match or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f"{text}: give K/N, such as 1/4, with K from 1 to N")
    return int(match[1]), int(match[2])


def chosen(options: argparse.Namespace, cells: Mapping[str, Any]) -> Iterator[tuple[Family, str]]:
    """The cells to run, a column after the other. A part is of all cells, so that parts that run
    at the same time never share one, whatever is done already."""
    part, parts = options.part
    whole = [(family, name) for name in COLUMNS for family in FAMILIES]
    for number, (family, name) in enumerate(whole):
        cell = cells.get(family.id, {}).get(name)
        wanted = cell is None or (options.again and _matches(options.again, cell))
        if number % parts == part - 1 and wanted and _named(options, family, name):
            yield family, name


def installed(cells: Iterable[tuple[Family, str]]) -> Iterator[tuple[Family, str]]:
    """Those whose variant's packages are there: that one is missing says nothing of a network."""
    cells = list(cells)
    reasons = {name: declared(variant(name)) for name in dict.fromkeys(name for _, name in cells)}
    for reason in sorted({*filter(None, reasons.values())}):
        print(f"left out: {reason}")
    yield from ((family, name) for family, name in cells if reasons[name] is None)


def _named(options: argparse.Namespace, family: Family, name: str) -> bool:
    rows = not options.family or any(_is_of(glob, family) for glob in options.family)
    return rows and (not options.variant or any(fnmatchcase(name, g) for g in options.variant))


def _matches(glob: str, cell: Mapping[str, Any]) -> bool:
    return any(fnmatchcase(text, glob) for text in (cell["state"], cell.get("reason", "")))


def run(family: Family, name: str, options: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """One cell. Never raises for what a model or a runtime does."""
    memory = options.build_memory or default_limit()
    try:
        return ask(
            {
                "model": family.spec(cache / "models"),
                "variant": name,
                "threads": options.threads,
                "cache": str(cache),
                "build_seconds": options.build_seconds,
                "build_memory_bytes": memory,
            },
            options.build_seconds + AROUND_SECONDS,
            CELL,
            option="--build-seconds",
            name="the cell",
            memory_bytes=memory,
        )
    except tuple(ACROSS_PROCESSES.values()) as error:
        return {"state": "failed", "reason": str(error)}


def kept(cell: Mapping[str, Any]) -> bool:
    """Whether a cell says something of the network: not where time or memory ended it, which is of
    the machine, whatever its state says."""
    return cell["state"] == "runs" or not _MACHINES.search(cell["reason"])


def main(words: list[str] | None = None) -> int:
    options = parsed(words)
    page, status, began = options.out.with_suffix(".md"), 0, monotonic()
    cache = (options.cache or default_folder()).absolute()
    todo = [] if options.render else list(installed(chosen(options, read(options.out)["cells"])))
    for number, (family, name) in enumerate(todo, 1):
        if monotonic() - began > options.minutes * 60:
            print(f"{len(todo) - number + 1} cells are left for another run")
            break
        start = monotonic()
        cell = run(family, name, options, cache)
        if not kept(cell):
            lacks = f"no cell is kept, another machine may have one: {cell['reason']}"
            print(f"{number}/{len(todo)} {family.id} {name}: {lacks}", flush=True)
            continue
        add(options.out, family.id, name, {**cell, "seconds": round(monotonic() - start)})
        write_page(options.out, page)
        words_of = " ".join(filter(None, (STATES[cell["state"]], cell.get("reason"))))
        print(f"{number}/{len(todo)} {family.id} {name}: {words_of}", flush=True)
        status |= cell["state"] == "failed"
    write_page(options.out, page)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
