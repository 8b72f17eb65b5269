"""What decides how a prepared case executes here: all of it by contents, for another side to
compare. Of an arm; `identical.py` compares."""

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench import environment
from vitbench.build.artifacts import ARTIFACTS
from vitbench.build.code import NEUTRAL, PACKAGE, files
from vitbench.build.files import beside, sha256
from vitbench.duet.contents.installed import packages
from vitbench.duet.contents.opened import OpenedFiles
from vitbench.duet.contents.same_files import repository_of
from vitbench.runtimes import placement_of, runtime
from vitbench.runtimes.registry import is_own

RECORDING = frozenset(
    f"vitbench.duet.contents.{name}"
    for name in ("contents", "installed", "opened", "probes", "same_files", "watch")
)
"""The modules that are at work here and in no arm that times."""
CALLS = 3
SIDES_OWN = ("PYTHONPATH", "PWD", "OLDPWD", "_", "SHLVL")
"""Variables that say where files lie: what is found there counts."""


def contents_of(
    request: Mapping[str, Any], answer: Callable[[], NDArray[np.float32]]
) -> dict[str, Any]:
    """`parts`, which must be equal on both sides, by what a person calls them, and what was opened
    (OpenedFiles) while `answer` loaded the case and called it.

    `request`: what `prepare` answered as `load`, the side's folder `tree`, and head's, `head_tree`.
    """
    tree, head_tree = (repository_of(Path(request[name])) for name in ("tree", "head_tree"))
    artifact = Path(request["path"])
    cache = [each.parent for each in artifact.parents if each.name == ARTIFACTS]
    opened = OpenedFiles(tree, head_tree, [*cache, Path(request["images"]).parent])
    outputs = opened.record(answer)
    ours = {str(file) for file in PACKAGE.rglob("*.py")}
    return {
        "parts": {
            **_given(request, tree),
            "artifact": sha256(artifact),
            "files of the artifact": [part.suffix for part in beside(artifact)],
            "images": sha256(Path(request["images"])),
            "Python": [sys.version, platform.machine()],
            "packages": packages(),
            "variables": _variables(str(tree), str(head_tree)),
            "GPUs": [] if request["device"] == "cpu" else environment.gpus(),
            "vitbench": _code(request),
            "outputs": hashlib.sha256(np.ascontiguousarray(outputs).tobytes()).hexdigest(),
        },
        "tree": str(tree),
        "names": sorted(name for name in opened.names if str(tree / name) not in ours),
        "listings": sorted(opened.listings),
        "links": sorted(opened.links),
        "taken": sorted(opened.taken),
        "doubts": sorted(opened.doubts),
    }


def answers_of_calls(call: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """The answers of CALLS calls: what the first does, a later one may not, and the reverse."""
    return np.stack([call() for _ in range(CALLS)])


def _given(request: Mapping[str, Any], tree: Path) -> dict[str, Any]:
    """What `prepare` answered, without the paths of this side."""
    recipe = placement_of(request).variant.definition()
    own = {name: value for name, value in request["architecture"].items() if name != "code"}
    return {
        "recipe": {n: value for n, value in recipe.items() if n not in ("about", "origin")},
        "network": own,
        "device": request["device"],
        "threads": request["threads"],
        "reading": request.get("reading"),
        "import roots": [os.path.relpath(root, tree) for root in request.get("import_roots", ())],
        "folder": os.path.relpath(os.getcwd(), tree),
    }


def _variables(tree: str, head_tree: str) -> dict[str, str]:
    """Digests of the values of all variables, which may be secrets. Both arms get the same ones;
    what code sets to the folder of its own side counts as if it named head's."""

    def digest(value: str) -> str:
        named = value.replace(tree, head_tree)
        return hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()

    return {name: digest(value) for name, value in os.environ.items() if name not in SIDES_OWN}


def _code(request: Mapping[str, Any]) -> dict[str, str]:
    """The files of vitbench that are imported, and all that its runtime consists of."""
    found = runtime(placement_of(request).variant.runtime)
    own = files([found.__name__]) if is_own(found) else []
    skipped = NEUTRAL | RECORDING
    loaded = [
        Path(module.__file__)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "vitbench" and name not in skipped and module.__file__
    ]
    inside = [file for file in {*own, *loaded} if file.is_relative_to(PACKAGE)]
    return {each.relative_to(PACKAGE).as_posix(): _sha256(each) for each in sorted(inside)}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
