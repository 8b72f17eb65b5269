"""What `run.py` does, as data: the steps in their order, what comes first matters most."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TINY, BASE = "deit_tiny_patch16_224", "deit_base_patch16_224"
MODELS = ((TINY, "bundled"), (BASE, "seeded"))  # name, and weights that need no network
SMI = ("name,driver_version,pstate,clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,power.draw,"
       "clocks_throttle_reasons.active")  # fmt: skip
VERSIONS = """
import platform, sys, torch
from vitbench import environment
print(sys.version, platform.platform())
for name, number in environment.versions().items(): print(name, number)
print("CUDA", torch.version.cuda, torch.cuda.is_available(), environment.gpus())
"""

COPY = """
import shutil, sys
root, target = sys.argv[1:]
def ignore(folder, names):
    top = {name for name in names if name[0] == "." or name in ("reports", "build")}
    return {"__pycache__", *(top if folder == root else ())}
shutil.copytree(root, target, ignore=ignore, dirs_exist_ok=True)
"""
"""Copies a checkout without its history: the base of a duet against itself."""


@dataclass(frozen=True)
class Step:
    """Commands that run one after the other, and the seconds that they may take together."""

    name: str
    seconds: float
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plan:
    """What differs between a GPU and the CPU that the script is tried on.

    `seconds` are the limits of the steps by name; `rounds` the seconds of a case's rounds.
    """

    device: str
    models: tuple[tuple[str, str], ...]  # of the steps from `compiled` on
    batches: tuple[int, int]
    variants: tuple[str, ...]
    consistency: tuple[str, ...]
    compiled: tuple[str, ...]
    fast: str
    autotune: tuple[str, ...]
    verify: int
    rounds: float
    seconds: Mapping[str, float]


CUDA = Plan(
    device="cuda",
    models=MODELS,
    batches=(1, 256),
    variants=("fp32", "fp16", "bf16", "fp16-graph"),
    consistency=("fp32", "tf32", "fp16", "bf16", "fp16-graph", "fp16-channels-last", "fp16-flash"),
    compiled=("compiled", "compiled-reduce-overhead"),
    fast="fp16",
    autotune=("compiled-max-autotune", "compiled-int8", "compiled-fp8"),
    verify=64,
    rounds=3,
    seconds={
        "environment": 60, "tiny": 120, "base": 180, "consistency": 120, "compiled": 180,
        "duet": 120, "profile": 60, "autotune": 300,
    },
)  # fmt: skip
# The same steps with variants that a CPU has, as short as they can be.
CPU = Plan(
    device="cpu",
    models=MODELS[:1],
    batches=(1, 2),
    variants=("fp32", "bf16"),
    consistency=("fp32", "bf16"),
    compiled=("compiled",),
    fast="bf16",
    autotune=("aot-inductor",),
    verify=8,
    rounds=0.2,
    seconds=dict.fromkeys(CUDA.seconds, 400),
)
PLANS = {plan.device: plan for plan in (CUDA, CPU)}


def steps(plan: Plan, root: Path, work: Path, cache: Path | None) -> tuple[Step, ...]:
    """The steps of a plan for the checkout `root`. Reports go to `work/reports/STEP/`."""

    def suite(
        step: str, files: str, variants: tuple[str, ...], batches: tuple[int, ...], *more: str,
        models: tuple[tuple[str, str], ...] = plan.models,
    ) -> tuple[tuple[str, ...], ...]:  # fmt: skip
        """A run of pytest for each model: one that fails leaves the other's."""
        common = [
            sys.executable, "-m", "pytest", files, "-p", "no:cacheprovider",
            f"--vitbench-device={plan.device}", f"--vitbench-verify-images={plan.verify}",
            f"--vitbench-seconds={plan.rounds}", "--vitbench-no-thumbnails",
            f"--vitbench-reports={work / 'reports' / step}",
            *(f"--vitbench-variant={name}" for name in variants),
            *(f"--vitbench-batch={size}" for size in batches),
            *([f"--vitbench-cache={cache}"] if cache else []), *more,
        ]  # fmt: skip
        return tuple(
            (*common, f"--vitbench-model={name}", f"--vitbench-weights={weights}")
            for name, weights in models
        )

    def timed(
        step: str, variants: tuple[str, ...], batches: tuple[int, ...], *more: str,
        models: tuple[tuple[str, str], ...] = plan.models,
    ) -> tuple[tuple[str, ...], ...]:  # fmt: skip
        return suite(
            step, "benchmarks/test_latency.py", variants, batches, "--benchmark-only", *more,
            models=models,
        )  # fmt: skip

    tiny, base = MODELS[:1], MODELS[1:]
    smi = ("nvidia-smi", f"--query-gpu={SMI}", "--format=csv")
    duet = (f"--vitbench-against={work / 'base'}", "--vitbench-minutes=1.5",
            "--vitbench-blocks-max=6", "--vitbench-inconclusive=pass")  # fmt: skip
    commands = {
        "environment": (
            *((smi, ("nvidia-smi", "-q", "-d", "CLOCK,PERFORMANCE")) * (plan.device == "cuda")),
            (sys.executable, "-c", VERSIONS),
            (sys.executable, "-m", "vitbench", "list"),
        ),
        "tiny": timed("tiny", plan.variants, plan.batches, models=tiny),
        "base": timed("base", plan.variants, plan.batches, models=base),
        "consistency": suite(
            "consistency", "benchmarks/test_consistency.py", plan.consistency, (1,), models=tiny
        ),
        "compiled": timed("compiled", plan.compiled, plan.batches),
        "duet": (
            (sys.executable, "-c", COPY, str(root), str(work / "base")),
            *timed("duet", (plan.fast,), (1,), *duet, models=tiny),
        ),
        "profile": timed("profile", (plan.fast,), (1,), "--vitbench-profile"),
        "autotune": timed("autotune", plan.autotune, plan.batches),
    }  # fmt: skip
    return tuple(Step(name, plan.seconds[name], found) for name, found in commands.items())
