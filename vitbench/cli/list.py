"""`vitbench list`: models, variants and runtimes, and what this machine has of them."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from vitbench import __version__, packages
from vitbench.cli.codes import OK
from vitbench.environment import gpu_driver, installed
from vitbench.project.models import said
from vitbench.project.project import Project, project_at
from vitbench.pyproject import NAME
from vitbench.runtimes.catalogue import DEFAULT_MODEL, Catalogue, catalogue_of, declared
from vitbench.runtimes.registry import RUNTIMES
from vitbench.runtimes.variants import UNTRIED, VARIANTS

NO_GPU = "no GPU driver here"
"""What is known without torch, whose import takes seconds."""
OURS = f"vitbench {__version__}"


def register(commands: Any) -> None:
    listing = commands.add_parser("list", help="models, variants and runtimes, from anywhere")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=list_all)


def list_all(chosen: argparse.Namespace) -> int:
    """What vitbench, packages and the project of this folder have, with where it came from.
    Availability is declared, by metadata of packages and a GPU's driver; building proves it."""
    project = project_at(Path.cwd())
    known = catalogue_of(project.variants)
    found: dict[str, list[Any]] = {
        "models": _models(project),
        "variants": _variants(known),
        "runtimes": _runtimes(),
        "left_out": _left_out(known),
    }
    if chosen.json:
        print(json.dumps(found, indent=2))
        return OK
    print("Variants:")
    _print_variants(known, found["variants"])
    print("\nModels (--model=NAME; without --model a run takes those of pyproject.toml):")
    _columns([(row["model"], row["origin"], row["spec"]) for row in found["models"]])
    print("\nRuntimes:")
    _columns([(row["runtime"], row["origin"], row["executes"]) for row in found["runtimes"]])
    if found["left_out"]:
        print("\nLeft out:", *found["left_out"], sep="\n  ")
    print("\nLimits, and why that much (a variant may run only where its device is):")
    for limits in dict.fromkeys(row.limits for row in known.rows):
        names = ", ".join(row.name for row in known.rows if row.limits == limits)
        print(
            f"  {limits.agreement:.0%} agreement, relative logit error <= "
            f"{limits.relative_error:g}, cosine >= {limits.cosine:g}, of an embedding "
            f"{limits.least_neighbours:.0%} equal neighbours: {limits.reason}\n"
            f"    {names}"
        )
    return OK


def _variants(known: Catalogue) -> list[dict[str, Any]]:
    rows, no_gpu = [], not gpu_driver()
    for row in known.rows:
        reason = declared(row)
        if no_gpu and "cpu" not in row.devices:
            reason = reason or f"it needs CUDA, and there is {NO_GPU}"
        untried = [device for device in row.devices if device in UNTRIED]
        rows.append(
            {
                "variant": row.name,
                "origin": OURS if row in VARIANTS else row.origin,
                "runtime": row.runtime,
                "precision": row.precision,
                "devices": list(row.devices),
                "limits": asdict(row.limits),
                "about": row.about,
                "available": reason is None,
                "reason": reason,
                "untried": untried if row in VARIANTS else [],
            }
        )
    return rows


def _print_variants(known: Catalogue, rows: Sequence[dict[str, Any]]) -> None:
    width, come = (max(len(row[key]) for row in rows) for key in ("variant", "origin"))
    runtime = max(len(row["runtime"]) for row in rows)
    no_gpu = not gpu_driver()
    for row, found in zip(known.rows, rows, strict=True):
        where = "/".join(row.devices)
        state = "declared available" if found["available"] else f"unavailable: {found['reason']}"
        if no_gpu and found["available"] and "cuda" in row.devices:
            state += f" on the CPU; {NO_GPU}"
        state += "".join(f"; {UNTRIED[device]}" for device in found["untried"])
        least = f"agreement >= {row.limits.agreement:.0%}"
        print(
            f"{row.name:{width}}  {found['origin']:{come}}  {row.runtime:{runtime}}  {where:8}  "
            f"{least}  {state}"
        )
        print(f"{'':{width}}  {row.about}")


def _models(project: Project) -> list[dict[str, str]]:
    """Those of the project, of packages, and the bundled one. Nothing of a package is imported."""
    found = [(name, NAME, said(row)) for name, row in project.models.items()]
    provided, _ = packages.by_name(packages.MODELS)
    found += [(name, each.origin, each.value) for name, each in provided.items()]
    found += [(DEFAULT_MODEL, OURS, "bundled weights; the model of a run that names none")]
    return [dict(zip(("model", "origin", "spec"), each, strict=True)) for each in found]


def _runtimes() -> list[dict[str, str]]:
    """What executes, with its version by metadata: nothing is imported."""
    found = [(name, OURS, _executes(name)) for name in RUNTIMES]
    provided, _ = packages.by_name(packages.RUNTIMES, tuple(RUNTIMES))
    found += [(name, each.origin, each.value) for name, each in provided.items()]
    return [dict(zip(("runtime", "origin", "executes"), each, strict=True)) for each in found]


def _executes(runtime: str) -> str:
    """The package that every variant of one of our runtimes needs first; the runtime's own word
    where none of our variants is of it."""
    needed = next((row.requires[0] for row in VARIANTS if row.runtime == runtime), None)
    if needed is None:
        return RUNTIMES[runtime].version()
    name = Requirement(needed).name
    version = installed(name)
    return f"{name} {version}" if version else f"{name} is not installed"


def _left_out(known: Catalogue) -> list[str]:
    """A sentence on each thing of a package that cannot be used."""
    _, models = packages.by_name(packages.MODELS)
    _, runtimes = packages.by_name(packages.RUNTIMES, tuple(RUNTIMES))
    problems = [each.sentence for each in known.problems]
    return [*problems, *models.values(), *runtimes.values()]


def _columns(rows: Sequence[tuple[str, str, str]]) -> None:
    name, origin = (max(len(row[n]) for row in rows) for n in (0, 1))
    for row in rows:
        print(f"{row[0]:{name}}  {row[1]:{origin}}  {row[2]}")
