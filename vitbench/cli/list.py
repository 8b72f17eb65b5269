"""`vitbench list`: the variants, their limits, and what this machine has of them."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from vitbench.cli.codes import OK
from vitbench.environment import gpu_driver
from vitbench.runtimes.catalogue import declared
from vitbench.runtimes.variants import UNTRIED, VARIANTS

NO_GPU = "no GPU driver here"
"""What is known without torch, whose import takes seconds."""


def register(commands: Any) -> None:
    listing = commands.add_parser("list", help="the variants, their limits and availability")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=list_variants)


def list_variants(chosen: argparse.Namespace) -> int:
    """Every recipe with its limits. Availability is declared, by metadata of packages and a GPU's
    driver; building proves it."""
    rows: list[dict[str, Any]] = []
    no_gpu = not gpu_driver()
    for row in VARIANTS:
        reason = declared(row)
        if no_gpu and "cpu" not in row.devices:
            reason = reason or f"it needs CUDA, and there is {NO_GPU}"
        rows.append(
            {
                "variant": row.name,
                "runtime": row.runtime,
                "precision": row.precision,
                "devices": list(row.devices),
                "limits": asdict(row.limits),
                "about": row.about,
                "available": reason is None,
                "reason": reason,
                "untried": [device for device in row.devices if device in UNTRIED],
            }
        )
    if chosen.json:
        print(json.dumps(rows, indent=2))
        return OK
    width = max(len(row.name) for row in VARIANTS)
    for row, found in zip(VARIANTS, rows, strict=True):
        where = "/".join(row.devices)
        state = "declared available" if found["available"] else f"unavailable: {found['reason']}"
        if no_gpu and found["available"] and "cuda" in row.devices:
            state += f" on the CPU; {NO_GPU}"
        state += "".join(f"; {UNTRIED[device]}" for device in found["untried"])
        least = f"agreement >= {row.limits.agreement:.0%}"
        print(f"{row.name:{width}}  {row.runtime:11}  {where:8}  {least}  {state}")
        print(f"{'':{width}}  {row.about}")
    print("\nLimits, and why that much (a variant may run only where its device is):")
    for limits in dict.fromkeys(row.limits for row in VARIANTS):
        names = ", ".join(row.name for row in VARIANTS if row.limits == limits)
        print(
            f"  {limits.agreement:.0%} agreement, relative logit error <= "
            f"{limits.relative_error:g}, cosine >= {limits.cosine:g}: {limits.reason}\n"
            f"    {names}"
        )
    return OK
