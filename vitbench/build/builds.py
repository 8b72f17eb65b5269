"""The artifacts of a run: each is taken from the cache, or built once in a process of its own."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitbench.build import identity
from vitbench.build.artifacts import ArtifactCache
from vitbench.build.ask import ask
from vitbench.build.entry import Artifact
from vitbench.build.memory import default_limit
from vitbench.case import Case
from vitbench.errors import Unavailable, WorkerFailed
from vitbench.models import Model
from vitbench.runtimes import RUNTIMES, Variant
from vitbench.runtimes.catalogue import require


class Images(Protocol):
    """Calibration images, (N, 3, H, W), and their digest."""

    @property
    def images(self) -> NDArray[np.float32]: ...

    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class BuildSettings:
    """What a build is given: the `weights` that the user chose, the threads of the CPU, and how
    long and how large its process may become; None is the default of this machine."""

    weights: str | None
    threads: int
    seconds: float
    memory_bytes: int | None


class Builds:
    """Builds what it is asked for, once. `model` and `calibration` give a model and the images that
    calibrate its static recipes, by the model's name; `say` hears when a build begins and ends."""

    def __init__(
        self,
        cache: ArtifactCache,
        settings: BuildSettings,
        model: Callable[[str], Model],
        calibration: Callable[[str], Images],
        say: Callable[[str], None],
    ) -> None:
        self.artifacts: dict[Case, Artifact] = {}
        self._cache, self._settings, self._say = cache, settings, say
        self._model, self._calibration = model, calibration
        self._failed: dict[Case, Unavailable | WorkerFailed] = {}

    def artifact(self, case: Case) -> Artifact:
        """The built file of a case. One file serves every device and batch.

        A build that failed is not tried again: Unavailable or WorkerFailed is raised again.
        """
        key = Case(case.model, case.variant, "cpu", 1)
        if isinstance(known := self._failed.get(key), Unavailable):
            raise Unavailable(str(known))
        if known:
            raise WorkerFailed(f"{known} (it is not built again in this run)")
        if key not in self.artifacts:
            recipe, model = require(case), self._model(case.model)
            calibration = self._calibration(case.model) if recipe.calibrated else None
            digest = calibration.sha256 if calibration else None
            try:
                self.artifacts[key] = self._cache.get(
                    identity.of_artifact(model, recipe, digest),
                    RUNTIMES[recipe.runtime].suffix(recipe),
                    lambda path: self._build(model, recipe, path, calibration),
                )
            except (Unavailable, WorkerFailed) as failure:
                self._failed[key] = failure
                raise
        return self.artifacts[key]

    def _build(
        self, model: Model, recipe: Variant, path: Path, calibration: Images | None
    ) -> dict[str, Any]:
        """What the worker answered that wrote the artifact to `path`."""
        name, settings = f"{model.spec.name}/{recipe.name}", self._settings
        self._say(f"building {name}")
        start, images = monotonic(), None
        if calibration:
            images = path.with_name("calibration.npy")
            np.save(images, calibration.images)
        request = {
            "verb": "build",
            "spec": asdict(model.spec),
            "weights": settings.weights,
            "sha256": model.weights.sha256,
            "variant": recipe.name,
            "path": str(path),
            "threads": settings.threads,
            "calibration": images and str(images),
        }
        answer = ask(
            request,
            settings.seconds,
            option="--build-seconds",
            name=f"the build of {name}",
            memory_bytes=settings.memory_bytes or default_limit(),
        )
        if images:
            images.unlink()
        self._say(f"built {name} in {monotonic() - start:.0f} s")
        return answer
