"""What entries of the cache depend on: a built file, the logits it gives, and their agreement."""

import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import distributions
from typing import Any
from uuid import uuid4

from packaging.requirements import Requirement

from vitbench import environment, team_code, variables
from vitbench.build.code import digest
from vitbench.build.transform import source_of
from vitbench.case import Case
from vitbench.models import Model
from vitbench.models.described import fingerprint
from vitbench.models.preprocess import Preprocess
from vitbench.runtimes import Variant, foreign, runtime
from vitbench.runtimes.compiler import COMPILING, compiler
from vitbench.runtimes.registry import is_own

# Builds every file, whatever its runtime; feeds images to every case, in batches; judges it.
BUILDING = "vitbench.build.worker"
FEEDING = "vitbench.measure.agreement"
JUDGING = "vitbench.judge.agreement"
DECODING = ("vitbench.measure.images", "vitbench.measure.crops", "vitbench.measure.preprocessed")
RUN = uuid4().hex
"""Of this process: what only one run may take from the cache depends on it."""


def of_artifact(
    model: Model, recipe: Variant, calibration: str | None, tree: str = ""
) -> dict[str, Any]:
    """All that a built file depends on; `calibration` is its sample's digest, if it has one, and
    `tree` that of the files that a project's code may read, if such code takes part.

    The CPU too: code is compiled for it, and without VNNI recipes quantise to fewer bits. Not the
    number of threads: whatever it is, the file is one that this recipe makes.
    """
    return {
        **_conditions(recipe, BUILDING),
        "architecture": dict(model.architecture),
        "weights": model.weights.sha256,
        "calibration": calibration,
        "suffix": runtime(recipe.runtime).suffix(recipe),
        **({"run": RUN} if getattr(runtime(recipe.runtime), "THIS_RUN_ALONE", False) else {}),
        **_tree(tree, model.architecture.get("code"), recipe),
    }


def of_copy(model: Model, row: Variant, files: Mapping[str, str], outputs: int) -> dict[str, Any]:
    """All that the copy of what another tool built depends on, and whether it fits the model:
    `files` are its names and digests, `outputs` is how many numbers the model answers with."""
    return {
        **_conditions(row, BUILDING),
        "architecture": dict(model.architecture),
        "outputs": outputs,
        "files": dict(files),
    }


def of_logits(
    case: Case,
    recipe: Variant,
    artifact: str,
    sample: str,
    threads: int,
    code: str | None = None,
    tree: str = "",
) -> dict[str, Any]:
    """All that the logits of a case depend on; `artifact` and `sample` are digests, and `code` that
    of the user's code that makes the module again, if any does: a file may have weights alone.
    `tree` is as of `of_artifact`.

    One file may be executed in several ways, so the recipe counts as well, and what compiles or
    quantizes when a file is loaded.
    """
    return {
        **({"model": code} if code else {}),
        **_tree(tree, code, recipe),
        **_conditions(recipe, BUILDING, FEEDING),
        "artifact": artifact,
        "device": case.device,
        "batch": case.batch,
        "sample": sample,
        "threads": threads,
        "gpus": [] if case.device == "cpu" else [*environment.gpus(), _gpu_libraries()],
    }


def of_pixels(files: str, preprocess: Preprocess) -> dict[str, Any] | None:
    """All that the pixels of a sample depend on, beside the machine: `files` digests its image
    files and their names. None where nobody can say what the preprocessing is made of: then its
    pixels say it."""
    made_of = fingerprint(preprocess)
    if made_of is None:
        return None
    packages = ("numpy", "pillow", "torch", "torchvision", "timm", "transformers")
    return {
        "files": files,
        "preprocessing": made_of,
        "code": _code(*DECODING, "vitbench.models"),
        "versions": {name: environment.installed(name) for name in packages},
    }


def of_facts(pixels: Mapping[str, Any], labels: Sequence[int] | None) -> dict[str, Any]:
    """All that the digests of a sample depend on. The CPU too: what multiplies and adds in one step
    rounds otherwise, and machines may share a cache."""
    return {"pixels": dict(pixels), "labels": labels, "system": _system(), "cpu": environment.cpu()}


def of_agreement(
    case: dict[str, Any],
    against: dict[str, Any],
    recipe: Variant,
    labels: Sequence[str],
    clusters: Sequence[str],
    synthetic: bool,
    reading: tuple[str, float],
) -> dict[str, Any]:
    """All that a measured agreement depends on: `of_logits` of both, and what it is judged by.

    Measuring stops where a limit is broken for certain. scipy bounds that, by the photographs
    that the images are cut from (`clusters`). `reading` is the head and its threshold.
    """
    limits = recipe.limits
    return {
        "code": _code(FEEDING, JUDGING),
        "case": case,
        "against": against,
        "limits": [
            limits.agreement,
            limits.relative_error,
            limits.cosine,
            limits.least_neighbours,
        ],
        "reading": list(reading),
        "labels": list(labels),
        "clusters": list(clusters),
        "synthetic": synthetic,
        "bounds": environment.installed("scipy"),
    }


def _tree(tree: str, code: str | None, recipe: Variant) -> dict[str, str]:
    return {"tree": tree} if tree and (code or recipe.transform) else {}


def _conditions(recipe: Variant, *modules: str) -> dict[str, Any]:
    """What building a recipe's file and executing it depend on alike; `modules` take part too."""
    found = runtime(recipe.runtime)
    own = [found.__name__] if is_own(found) else ["vitbench.runtimes"]
    own += foreign.code(recipe) if recipe.artifact else ()
    return {
        "code": _code(*own, "vitbench.models", *modules),
        **({} if is_own(found) else {"package": team_code.digest(found.__name__)}),
        **source_of(recipe),
        "recipe": [recipe.runtime, recipe.precision, dict(recipe.options), dict(recipe.input)],
        "versions": {**_library_versions(), "runtime": found.version()},
        "builders": {name: environment.installed(name) for name in _required(recipe)},
        "compiler": compiler() if recipe.runtime in COMPILING else None,
        "system": _system(),
        "cpu": environment.cpu(),
        "variables": variables.of_results(),
    }


@cache
def _system() -> list[str]:
    """Kind of system and processor, and the C library, whose functions generated code calls."""
    return [platform.system(), platform.machine(), *platform.libc_ver()]


@cache
def _code(*modules: str) -> str:
    """Digest of the code behind these modules: another code, another entry.

    So two revisions can share a cache, and neither is taken for the other. An edit of a runtime
    leaves the entries of the others.
    """
    return digest(modules)


def _required(recipe: Variant) -> list[str]:
    """The packages that a recipe says it needs: what builds its file, or quantizes a loaded one."""
    return [Requirement(text).name for text in recipe.requires]


def _library_versions() -> dict[str, str]:
    known = environment.versions()
    return {name: known[name] for name in ("torch", "timm", "transformers") if name in known}


def _gpu_libraries() -> dict[str, str]:
    """The installed versions of what computes on a GPU beside torch, which each can be replaced."""
    found = {each.name.lower(): each.version for each in distributions()}
    return {name: found[name] for name in sorted(found) if name.startswith(("nvidia-", "triton"))}
