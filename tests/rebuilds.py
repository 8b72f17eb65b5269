"""`python -m tests.rebuilds`: whether two builds of one recipe execute the same, to the last count.

Every variant that runs on this CPU is built five times in each of two processes, each time with
other weights, and loaded twice; its structure is counted each time with other images, and all are
compared with the first. Prints a line for a variant, ends with 1 where there is a difference.

A whole run takes an hour: `--variant=GLOB` and `--builds=N` make it shorter. The model is a ViT of
two blocks for 32 x 32 pixels, whose layers are those of a large one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

SPEC_ARGS = {"img_size": 32, "depth": 2, "embed_dim": 32, "num_heads": 2}
IMAGE = (3, 32, 32)
PROCESSES, LOADS = 2, 2


def structures(name: str, builds: int, seed: int) -> Iterator[dict[str, Any]]:
    """In this process: builds of a variant, each counted as loaded, twice."""
    import numpy as np
    import torch

    from vitbench.models import ModelSpec, load_model
    from vitbench.runtimes import Placement, runtime, structure, variant

    row = variant(name)
    made = runtime(row.runtime)
    made.version()
    made.supports(row, "cpu")
    spec = ModelSpec("m", "timm", "vit_tiny_patch16_224", None, "timm:m", args=SPEC_ARGS)
    for build in range(builds):
        random = np.random.default_rng([seed, build])
        torch.manual_seed(int(random.integers(2**31)))
        model = load_model(spec, "seeded")
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        calibration = random.standard_normal((8, *IMAGE), np.float32) if row.calibrated else None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}{made.suffix(row)}"
            made.build(model, row, path, calibration)
            size = sum(each.stat().st_size for each in Path(folder).iterdir())
            placement = Placement(path, row, "cpu", model.architecture, 2)
            for _ in range(LOADS):
                images = random.standard_normal((1, *IMAGE), np.float32)
                yield structure(placement, images, size).to_json()


def count_all(names: Sequence[str], builds: int, seed: int) -> Iterator[dict[str, Any]]:
    """In this process: all structures of all these variants, or why one has none."""
    for name in names:
        try:
            for found in structures(name, builds, seed):
                yield {"variant": name, "structure": found}
        except Exception as error:  # whatever a library does: the other variants go on
            yield {"variant": name, "error": f"{type(error).__name__}: {error}".splitlines()[0]}


def in_process(names: Sequence[str], builds: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count_all` in a process of its own, as it goes on."""
    command = [sys.executable, "-m", "tests.rebuilds", *(f"--variant={name}" for name in names)]
    with subprocess.Popen(
        [*command, f"--builds={builds}", f"--one={seed}"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
    ) as running:  # fmt: skip
        yield from (json.loads(x) for x in running.stdout or () if x.startswith('{"variant"'))


def compare(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines on what differs between the first structure and any other, each once."""
    from vitbench.structure import Structure, differences

    first, *others = (Structure.from_json(each) for each in found)
    return sorted({line for other in others for line in differences(first, other)})


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.rebuilds")
    parser.add_argument("--variant", action="append", default=[])
    parser.add_argument("--builds", type=int, default=5, help="of a variant, in each process")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()

    from vitbench.runtimes import VARIANTS

    globs = chosen.variant or ["*"]
    rows = [row.name for row in VARIANTS if "cpu" in row.devices]
    names = [name for name in rows if any(fnmatch(name, glob) for glob in globs)]
    if chosen.one is not None:
        for each in count_all(names, chosen.builds, chosen.one):
            print(json.dumps(each), flush=True)
        return 0
    known: dict[str, list[dict[str, Any]]] = {}
    failed = False
    for seed in range(PROCESSES):
        for each in in_process(names, chosen.builds, seed):
            name = each["variant"]
            if "error" in each:
                print(f"{name}: not counted: {each['error']}", flush=True)
                continue
            known.setdefault(name, []).append(each["structure"])
            if len(known[name]) % (LOADS * chosen.builds) == 0:
                lines = compare(known[name])
                failed |= bool(lines)
                counts = len(known[name])
                print(f"{name}: {len(lines)} differences in {counts} counts", flush=True)
                print(*(f"  {line}\n" for line in lines), sep="", end="", flush=True)
    missing = [name for name in names if name not in known]
    print(f"{len(known)} variants counted; none of {', '.join(missing) or 'the others'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
