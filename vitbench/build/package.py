"""Hand over the very file that was verified, with a manifest."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from vitbench import __version__, environment, variables
from vitbench.build.entry import Artifact
from vitbench.build.script import IMAGE, script
from vitbench.errors import UserError
from vitbench.heads.code import answering_code
from vitbench.models import Model
from vitbench.models.described import describe
from vitbench.models.weights import file_sha256
from vitbench.runtimes import Placement, Variant, foreign, runtime

PROGRAM = "predict.py"


def package(
    model: Model,
    variant: Variant,
    artifact: Artifact,
    agreement: Mapping[str, Any],
    folder: Path,
    calibration: Mapping[str, Any] | None = None,
) -> Path:
    """Copy the artifact to `folder`/MODEL-VARIANT/; manifest.json and predict.py lie beside it.

    Returns the copy's path. The manifest's `files` are the names and sha256 of all that belongs to
    it, `sha256` that of the one file, or else of their digests in a row; `load` is Python of at
    most fifteen lines that loads it without vitbench; `calibration` what a static recipe was
    calibrated on. `preprocessing` says how an image file becomes the input; `preprocess` is that as
    Python of Pillow and NumPy alone, `classify` three lines that use both, and `answer` lines that
    make words of the logits, as `vitbench predict` does. predict.py is all of them as a program.
    Where a preprocessing cannot be written out, it is the reason, `preprocess` and `classify` are
    empty, and there is no program. Of what another tool built, `built` is false and `input` says
    how the file takes images. Raises UserError where the folder cannot be written.
    """
    target = folder / f"{model.spec.name}-{variant.name}"
    file = target / next(iter(artifact.names))
    made_by = runtime(variant.runtime)
    placement = Placement(Path(file.name), variant, "cpu", model.architecture, 1)
    preprocessing, code, reason = describe(model.preprocess)
    answer = answering_code(model.head)
    if variant.artifact:
        placement = replace(placement, variant=artifact.completed(variant))
        load, calling = foreign.loading_code(placement), partial(foreign.calling_code, placement)
    else:
        load, calling = made_by.loading_code(placement), partial(made_by.calling_code, variant)
    program = code and script(
        f"{model.spec.name} as {variant.name}.",
        load.splitlines(), code, calling(IMAGE), answer,
    )  # fmt: skip
    manifest = {
        "file": file.name,
        "files": {name: file_sha256(part) for name, part in artifact.names.items()},
        "sha256": artifact.sha256,
        "bytes": artifact.bytes,
        "model": model.spec.public,
        "architecture": dict(model.architecture),
        "weights": asdict(model.weights),
        "notes": list(model.notes),
        "variant": variant.name,
        "runtime": made_by.version(),
        "precision": variant.precision,
        "options": dict(variant.options),
        "built": artifact.build_seconds is not None,
        "input": dict(placement.variant.input),
        **artifact.layers,
        **artifact.transform,
        "head": model.head,
        "threshold": model.threshold,
        "labels": [asdict(label) for label in model.labels],
        "calibration": None if calibration is None else dict(calibration),
        "agreement": dict(agreement),
        "versions": environment.versions(),
        "variables": variables.of_measurements(),
        "vitbench": __version__,
        "load": load.splitlines(),
        "preprocessing": preprocessing or reason,
        "preprocess": code,
        "classify": calling('preprocess("photo.jpg")') if code else [],
        "answer": answer,
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, part in artifact.names.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part, target / name)
        (target / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        (target / PROGRAM).unlink(missing_ok=True)  # of an earlier package there
        if program:
            (target / PROGRAM).write_text(program, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {folder}: cannot write there: {error.strerror}") from error
    return file
