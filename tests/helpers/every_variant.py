"""Recipes for the CPU, built from small models and compared with them, in one process:
`python -m tests.helpers.every_variant SO` reads `{folder: [variants]}` on stdin and writes
`{folder: {variant: outcome}}`, both as JSON.

SO is a compiled library of tuned-int8's layers. What recipes share is made once a model (ONNX's
graph, OpenVINO's), and Inductor keeps its precompiled headers: this asks whether a network passes
through a recipe, and how far off its logits are.
"""

import copy
import json
import os
import shutil
import sys
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from vitbench.errors import Unavailable
from vitbench.models import Model, load_model, parse_spec
from vitbench.runtimes import RUNTIMES, Placement, Variant, load, onnx_graph, variant
from vitbench.runtimes.catalogue import declared
from vitbench.runtimes.tuned import library

IMAGES = 8


def outcome(model: Model, recipe: Variant, folder: Path) -> dict[str, Any]:
    """`relative_error` and `agreement` of the logits, or `unavailable` or `failed` with why."""
    import torch

    runtime = RUNTIMES[recipe.runtime]
    path = folder / f"{recipe.name}{runtime.suffix(recipe)}"
    images = np.random.default_rng(0).standard_normal(
        (IMAGES, *model.architecture["image"]), dtype=np.float32
    )
    try:
        if reason := declared(recipe):
            raise Unavailable(reason)
        runtime.version()
        runtime.supports(recipe, "cpu")
        # A build may change the module: it has a process of its own otherwise.
        mine = replace(model, module=copy.deepcopy(model.module))
        runtime.build(mine, recipe, path, images if recipe.calibrated else None)
        found = load(Placement(path, recipe, "cpu", model.architecture, 1)).logits(images)
    except Unavailable as reason:
        return {"unavailable": str(reason)}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    with torch.inference_mode():
        wanted = model.module(torch.from_numpy(images)).numpy()
    return {
        "relative_error": float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted)),
        "agreement": float((found.argmax(1) == wanted.argmax(1)).mean()),
    }


def outcomes(spec: str, names: list[str], layers: Path) -> dict[str, dict[str, Any]]:
    """The outcome of each of these recipes, by its name."""
    import torch._inductor.config
    import torch._inductor.utils

    model = load_model(parse_spec(spec, Path.cwd()), None)
    quick = torch._inductor.config.patch({"aot_inductor.compile_wrapper_opt_level": "O0"})
    with TemporaryDirectory() as name, quick, ExitStack() as stack:
        folder = Path(name)
        for place, what, instead in (
            (torch._inductor.utils, "fresh_cache", nullcontext),
            (library, "build", lambda _, path: shutil.copy(layers, path)),
            (onnx_graph, "write", _once(onnx_graph.write, folder)),
        ):
            stack.enter_context(patch.object(place, what, instead))
        stack.enter_context(_openvino())
        return {each: outcome(model, variant(each), folder) for each in names}


def _once(write: Any, folder: Path) -> Any:
    """`onnx_graph.write` of one model, whose module comes as copies."""

    layers: dict[str, str] = {}

    def again(module: Any, image: Any, path: Path) -> dict[str, str]:
        kept = folder / "graph.onnx"
        if not kept.exists():
            layers.update(write(module, image, kept))
        shutil.copy(kept, path)
        return layers

    return again


def _openvino() -> Any:
    try:
        import openvino
    except ImportError:
        return nullcontext()
    made = cache(lambda: [])
    convert = openvino.convert_model

    def again(*args: Any, **options: Any) -> Any:
        if not made():
            made().append(convert(*args, **options))
        return made()[0].clone()

    return patch.object(openvino, "convert_model", again)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    asked = json.load(sys.stdin)
    # What libraries print does not spoil the answer.
    with os.fdopen(os.dup(1), "w") as reply:
        os.dup2(2, 1)
        found = {spec: outcomes(spec, each, Path(sys.argv[1])) for spec, each in asked.items()}
        print(json.dumps(found), file=reply)


if __name__ == "__main__":
    main()
