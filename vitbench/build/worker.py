"""A process of its own, for what must not share one: builds, and memory from a clean start.

`python -m vitbench.build.worker` reads one JSON request on stdin and answers with one line of JSON
on stdout: what was measured, or `{"error": {"kind", "message"}}` and exit status 1. `ask.ask` is
the other end.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from vitbench import team_code
from vitbench.build.memory import resident_bytes
from vitbench.build.strays import Strays
from vitbench.errors import UserError, for_parent


def build(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the artifact of a model (`spec`, `weights`) and a `recipe`, a whole variant, to `path`.

    `calibration` is a .npy file of images, or null. Raises UserError where the model's weights are
    not those of `sha256`: the artifact would be kept under their name. Raises Incomparable where
    the project's code takes from the other of `trees`, as of Strays: nothing of that is kept.
    """
    import numpy as np
    import torch

    from vitbench.build.transform import built, source_of
    from vitbench.environment import peak_resident_bytes
    from vitbench.models import ModelSpec, load_model
    from vitbench.runtimes import Variant

    recipe = Variant.from_json(request["recipe"])
    strays = Strays(request.get("trees"), reads=True)
    runtime = _imported(recipe)
    torch.set_num_threads(request["threads"])
    model = load_model(ModelSpec.from_json(request["spec"]), request["weights"])
    if model.weights.sha256 != request["sha256"]:
        raise UserError(
            f"{recipe.name}: {model.spec.public} has other weights than when this run began (now "
            f"{model.weights.origin}): its file was overwritten, its factory makes others in each "
            "process, or the hub answers now and then. Run it again"
        )
    images = request["calibration"] and np.load(request["calibration"], allow_pickle=False)
    start = perf_counter()
    try:
        layers = built(runtime, model, recipe, Path(request["path"]), images)
    finally:  # what failed may have failed for it
        strays.refuse(model.architecture, recipe.transform)
    return {
        **(layers or {}),
        **source_of(recipe),
        "build_seconds": perf_counter() - start,
        "peak_memory_bytes": peak_resident_bytes(),
    }


def admit(request: Mapping[str, Any]) -> dict[str, Any]:
    """Open and call the copy at `path` of what another tool built. See `foreign.loading.admit`."""
    from vitbench.runtimes import foreign

    placement = _placed(request)
    found = foreign.admit(placement, request["outputs"], request["undone"])
    return {**found, "build_seconds": None}


def footprint(request: Mapping[str, Any]) -> dict[str, Any]:
    """Load the artifact at `path` on `device` and call it once on `images`, a .npy file.

    The baseline is what is resident with the runtime imported and the images read. What else an
    artifact needs imported counts as loading it, and what it compiles as its first inference.
    When all is measured, it is called again; both logits go to `answers`, a .npy file, (2, N, C).
    At last it is called on each of the `others`, .npy files too, since that may crash.
    """
    with tempfile.TemporaryDirectory() as empty:
        # To be set before torch is imported: what an earlier run compiled is not this one's.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.environ["TRITON_CACHE_DIR"] = empty
        return _footprint(request)


def _footprint(request: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    from vitbench import runtimes
    from vitbench.environment import peak_resident_bytes

    placement = _placed(request)
    images = np.load(request["images"], allow_pickle=False)
    baseline = resident_bytes()
    start = perf_counter()
    deployment = runtimes.load(placement)
    deployment.synchronize()
    loaded = perf_counter()
    first = deployment.logits(images)
    inferred = perf_counter()
    figures = {
        "load_seconds": loaded - start,
        "first_inference_seconds": inferred - loaded,
        "peak_memory_bytes": peak_resident_bytes(),
        "baseline_memory_bytes": baseline,
        "cuda_peak_bytes": _cuda_peak_bytes(placement.device),
    }
    np.save(request["answers"], np.stack([first, deployment.logits(images)]))
    for file in request["others"]:
        more = np.load(file, allow_pickle=False)
        print(f"calling it on {len(more)} images", file=sys.stderr, flush=True)
        deployment.logits(more)
    return figures


def operators(request: Mapping[str, Any]) -> dict[str, Any]:
    """The operators of one call of the artifact at `path` on `images`, the slowest first.

    Raises Unavailable where the runtime has no profiler.
    """
    import numpy as np

    from vitbench import runtimes

    placement = _placed(request)
    images = np.load(request["images"], allow_pickle=False)
    found = runtimes.operators(placement, images)
    return {"operators": [asdict(each) for each in found]}


def structure(request: Mapping[str, Any]) -> dict[str, Any]:
    """What one call of the artifact at `path` on `images` executes, counted.

    Raises Unavailable where the runtime cannot count.
    """
    import numpy as np

    from vitbench import runtimes

    images = np.load(request["images"], allow_pickle=False)
    found = runtimes.structure(_placed(request), images, request["artifact_bytes"])
    return {"structure": found.to_json()}


def _placed(request: Mapping[str, Any]) -> Any:
    """The Placement of a request, whose runtime is imported."""
    from vitbench.runtimes import placement_of

    placement = placement_of(request)
    _imported(placement.variant)
    return placement


def _imported(recipe: Any) -> Any:
    """The runtime of a recipe. Raises Unavailable where it cannot be imported."""
    from vitbench.runtimes import runtime

    found = runtime(recipe.runtime)
    found.version()
    return found


def _cuda_peak_bytes(device: str) -> int | None:
    """Of torch's allocator; None on the CPU, and for a runtime that does not use torch."""
    if "torch" not in sys.modules or not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


VERBS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "admit": admit,
    "build": build,
    "footprint": footprint,
    "operators": operators,
    "structure": structure,
}


def die_with_parent() -> None:
    """Have Linux kill this process when its parent ends, however that ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def die_before_parent() -> None:
    """Have Linux take this process first where memory runs out: the run goes on without it."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> int:
    """Answer one request. What libraries print goes to stderr, and cannot spoil the answer."""
    die_with_parent()
    die_before_parent()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as reply:
        os.dup2(2, 1)
        try:
            request = json.load(sys.stdin)
            if request["verb"] not in VERBS:
                raise UserError(f"there is no verb {request['verb']!r}: {', '.join(VERBS)}")
            if roots := request.get("import_roots"):
                team_code.use(roots)
            answer = VERBS[request["verb"]](request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": for_parent(error)}
        print(json.dumps(answer), file=reply)
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
