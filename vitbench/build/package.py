"""Hand over the very file that was verified, with a manifest."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitbench import __version__, environment, variables
from vitbench.build.entry import Artifact
from vitbench.errors import UserError
from vitbench.models import Model
from vitbench.models.described import describe
from vitbench.models.weights import file_sha256
from vitbench.runtimes import RUNTIMES, Placement, Variant


def package(
    model: Model,
    variant: Variant,
    artifact: Artifact,
    agreement: Mapping[str, Any],
    folder: Path,
    calibration: Mapping[str, Any] | None = None,
) -> Path:
    """Copy the artifact to `folder`/MODEL-VARIANT/ and write manifest.json beside it.

    Returns the copy's path. The manifest's `files` are the names and sha256 of all that belongs to
    it, `sha256` that of the one file, or else of their digests in a row; `load` is Python of at
    most ten lines that loads it without vitbench; `calibration` what a static recipe was calibrated
    on. `preprocessing` says how an image file becomes the input; `preprocess` is that as Python of
    Pillow and NumPy alone, and `classify` three lines that use both. Where a preprocessing cannot
    be written out, it is the reason, and the others are empty. Raises UserError where the folder
    cannot be written.
    """
    target = folder / f"{model.spec.name}-{variant.name}"
    file = target / f"model{artifact.path.suffix}"
    runtime = RUNTIMES[variant.runtime]
    placement = Placement(Path(file.name), variant, "cpu", model.architecture, 1)
    preprocessing, code, reason = describe(model.preprocess)
    manifest = {
        "file": file.name,
        "files": {f"model{part.suffix}": file_sha256(part) for part in artifact.files},
        "sha256": artifact.sha256,
        "bytes": artifact.bytes,
        "model": model.spec.public,
        "architecture": dict(model.architecture),
        "weights": asdict(model.weights),
        "notes": list(model.notes),
        "variant": variant.name,
        "runtime": runtime.version(),
        "precision": variant.precision,
        "options": dict(variant.options),
        **artifact.layers,
        "labels": [asdict(label) for label in model.labels],
        "calibration": None if calibration is None else dict(calibration),
        "agreement": dict(agreement),
        "versions": environment.versions(),
        "variables": variables.of_measurements(),
        "vitbench": __version__,
        "load": runtime.loading_code(placement).splitlines(),
        "preprocessing": preprocessing or reason,
        "preprocess": code,
        "classify": runtime.calling_code(variant, 'preprocess("photo.jpg")') if code else [],
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        for part in artifact.files:
            shutil.copyfile(part, target / f"model{part.suffix}")
        (target / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"--output {folder}: cannot write there: {error.strerror}") from error
    return file
