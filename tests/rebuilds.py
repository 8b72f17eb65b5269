"""`python -m tests.rebuilds`: whether two builds of one recipe execute the same, to the last count.

Every variant that runs on this CPU is built several times, in two processes, each time with other
weights, and its structure is counted each time with other images; all are compared with the first.
Prints a line for each variant, ends with 1 where there is a difference.

A whole run takes an hour: `--variant=GLOB` and `--builds=N` make it shorter. The model is a ViT of
two blocks for 32 x 32 pixels, whose layers are those of a large one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

SPEC_ARGS = {"img_size": 32, "depth": 2, "embed_dim": 32, "num_heads": 2}
IMAGE = (3, 32, 32)


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
            for _ in range(2):
                images = random.standard_normal((1, *IMAGE), np.float32)
                yield structure(placement, images, size).to_json()


def of_processes(name: str, builds: int, processes: int) -> Iterator[dict[str, Any]]:
    """As `structures`, in so many processes. Raises RuntimeError with what one printed last."""
    for seed in range(processes):
        done = subprocess.run(
            [sys.executable, "-m", "tests.rebuilds", f"--one={name}", f"--builds={builds}",
             f"--seed={seed}"],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )  # fmt: skip
        found = [line for line in done.stdout.splitlines() if line.startswith('{"key"')]
        if done.returncode or not found:
            raise RuntimeError((done.stderr.strip() or "nothing was printed").splitlines()[-1])
        yield from (json.loads(line) for line in found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.rebuilds")
    parser.add_argument("--variant", action="append", default=[])
    parser.add_argument("--builds", type=int, default=10, help="of each variant, in all processes")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        for each in structures(chosen.one, chosen.builds, chosen.seed):
            print(json.dumps(each), flush=True)
        return 0

    from vitbench.runtimes import VARIANTS
    from vitbench.structure import Structure, differences

    globs = chosen.variant or ["*"]
    names = [v.name for v in VARIANTS if "cpu" in v.devices]
    failed = 0
    for name in names:
        if not any(fnmatch(name, glob) for glob in globs):
            continue
        began = time.monotonic()
        try:
            found = [
                Structure.from_json(each) for each in of_processes(name, -(-chosen.builds // 2), 2)
            ]
        except RuntimeError as reason:
            print(f"{name}: not counted: {reason}", flush=True)
            continue
        lines = sorted({line for each in found[1:] for line in differences(found[0], each)})
        failed += bool(lines)
        seconds = time.monotonic() - began
        print(
            f"{name}: {len(lines)} differences in {len(found)} counts ({seconds:.0f} s)", flush=True
        )
        for line in lines:
            print(f"  {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
