"""What a built file, and the logits it gives, depend on: the identities of entries in the cache."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from vitbench import environment
from vitbench.case import Case
from vitbench.models import Model
from vitbench.runtimes import RUNTIMES, Variant

# The code that decides what is built and compared. The table of recipes is not among it: what a row
# says is part of the identity itself, and a new row changes no other.
CODE = (
    "models/*.py",
    "runtimes/*.py",
    "runtimes/tuned/*.*",
    "measure/agreement.py",
    "judge/contracts.py",
    "deploy/worker.py",
)
TABLE = "variants.py"


def of_artifact(model: Model, recipe: Variant, calibration: str | None) -> dict[str, Any]:
    """All that a built file depends on; `calibration` is its sample's digest, if it has one.

    The CPU too: code is compiled for it, and without VNNI recipes quantise to fewer bits.
    """
    runtime = RUNTIMES[recipe.runtime]
    return {
        "code": _code(),
        "architecture": dict(model.architecture),
        "weights": model.weights.sha256,
        "runtime": recipe.runtime,
        "precision": recipe.precision,
        "options": dict(recipe.options),
        "calibration": calibration,
        "cpu": environment.cpu(),
        "suffix": runtime.suffix(recipe),
        "versions": {**_library_versions(), "runtime": runtime.version()},
        "builders": {name: environment.installed(name) for name in _required(recipe)},
        "variables": environment.numeric_variables(),
    }


def of_logits(
    case: Case, recipe: Variant, artifact: str, sample: str, threads: int
) -> dict[str, Any]:
    """All that the logits of a case depend on; `artifact` and `sample` are digests.

    One file may be executed in several ways, so the recipe counts as well.
    """
    return {
        "code": _code(),
        "artifact": artifact,
        "recipe": [recipe.runtime, recipe.precision, dict(recipe.options)],
        "runtime": RUNTIMES[recipe.runtime].version(),
        "device": case.device,
        "batch": case.batch,
        "sample": sample,
        "threads": threads,
        "cpu": environment.cpu(),
        "gpus": [] if case.device == "cpu" else environment.gpus(),
        "versions": _library_versions(),
        "variables": environment.numeric_variables(),
    }


@cache
def _code() -> str:
    """Digest of the code that an artifact, or its logits, come from: another code, another entry.

    So two revisions can share a cache, and neither is taken for the other.
    """
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(file for pattern in CODE for file in root.glob(pattern)):
        if file.name != TABLE:
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _required(recipe: Variant) -> list[str]:
    """The packages that a recipe says it needs, its builders among them."""
    return [Requirement(text).name for text in recipe.requires]


def _library_versions() -> dict[str, str]:
    known = environment.versions()
    return {name: known[name] for name in ("torch", "timm", "transformers") if name in known}
