"""One cell of docs/families.md, in a process of its own: a model is built by a variant and verified
at batches 1 and 8. `vitbench.build.ask` is the other end.

A request has the model's spec, the variant's name, a cache, threads and the limits of a build; the
answer is a cell: `state` is `runs`, `unavailable` or `failed`, with the `reason` of the last two.
Weights are seeded, so how well a variant agrees is recorded and not judged.
"""

import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from vitbench.build.worker import die_with_parent
from vitbench.errors import Unavailable, UserError, WorkerFailed, with_kind

IMAGES = 8
BATCHES = (1, 8)


def cell(request: Mapping[str, Any]) -> dict[str, Any]:
    """Build and verify. Never raises."""
    from vitbench.case import Case
    from vitbench.measure.options import Options
    from vitbench.measure.session import Session
    from vitbench.models import parse_spec

    try:
        spec = parse_spec(request["model"], Path.cwd())
        session = Session(
            Options(
                models=(spec,),
                weights="seeded" if spec.source == "timm" else None,
                threads=request["threads"],
                verify_images=IMAGES,
                cache=Path(request["cache"]),
                build_seconds=request["build_seconds"],
                build_memory_bytes=request["build_memory_bytes"],
            )
        )
        found: dict[str, Any] = {"state": "runs"}
        case = Case(spec.name, request["variant"], "cpu", 1)
        for batch in BATCHES:
            verification = session.verify(replace(case, batch=batch))
            if problem := verification.measured["problem"]:  # not finite, or misshapen
                raise WorkerFailed(f"batch {batch}: {problem}")
            error = verification.agreement.relative_error
            if not isfinite(error):
                raise WorkerFailed("nothing is compared: the logits of float32 are all 0")
            found[f"relative_error_b{batch}"] = float(f"{error:.3g}")
        built = session.artifact(case).manifest
        for name in ("build_seconds", "peak_memory_bytes", "quantized_layers", "float_layers"):
            if built.get(name) is not None:
                found[name] = round(built[name], 1)
        return found
    except Unavailable as reason:
        return {"state": "unavailable", "reason": str(reason)}
    except (UserError, WorkerFailed) as error:
        return {"state": "failed", "reason": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"state": "failed", "reason": with_kind(error)}


def main() -> None:
    die_with_parent()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as reply:
        os.dup2(2, 1)  # what libraries print does not spoil the answer
        print(json.dumps(cell(json.load(sys.stdin))), file=reply)


if __name__ == "__main__":
    main()
