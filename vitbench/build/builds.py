"""The artifacts of a run: each is taken from the cache, or built once in a process of its own."""

from collections.abc import Callable, Mapping
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
from vitbench.build.files import OWN_NAMES, private
from vitbench.build.memory import default_limit
from vitbench.build.original import Original, original
from vitbench.build.pixels import require_pixels
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.models import Model
from vitbench.models.undoing import undone
from vitbench.runtimes import Placement, Variant, runtime
from vitbench.runtimes.network import Network, observed


class Rows(Protocol):
    """Images, of which a slice is an array."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]: ...


class Images(Protocol):
    """Calibration images, (N, 3, H, W), and their digest."""

    @property
    def images(self) -> Rows: ...

    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class BuildSettings:
    """What a build is given: the `weights` that the user chose, the threads of the CPU, and how
    long and how large its process may become; None is the default of this machine. From
    `import_roots`, folders, a project's own code is imported; `tree` is the digest of the files
    that it may read, or empty; `trees` are the work trees of a side of a duet, as of Strays."""

    weights: str | None
    threads: int
    seconds: float
    memory_bytes: int | None
    import_roots: tuple[str, ...] = ()
    tree: str = ""
    trees: Mapping[str, str] | None = None


class Builds:
    """Builds what it is asked for, once. `require` gives the recipe of a case, or raises
    Unavailable; `model` and `calibration` give a model and the images that calibrate its static
    recipes, by the model's name; `say` hears when a build begins and ends."""

    def __init__(
        self,
        cache: ArtifactCache,
        settings: BuildSettings,
        require: Callable[[Case], Variant],
        model: Callable[[str], Model],
        calibration: Callable[[str], Images],
        say: Callable[[str], None],
    ) -> None:
        self.artifacts: dict[Case, Artifact] = {}
        self._cache, self._settings, self._say = cache, settings, say
        self._require, self._model, self._calibration = require, model, calibration
        self._originals: dict[Case, Original] = {}
        self._networks: dict[str, Network | None] = {}
        self._failed: dict[Case, Unavailable | UserError | WorkerFailed] = {}

    def artifact(self, case: Case) -> Artifact:
        """The built file of a case. One file serves every device and batch.

        A build that failed is not tried again: what it raised (Unavailable, UserError or
        WorkerFailed) is raised again. Raises UserError where another tool's file was changed since
        the run began.
        """
        key = Case(case.model, case.variant, "cpu", 1)
        if known := self._failed.get(key):
            raise type(known)(str(known))
        if key not in self.artifacts:
            recipe = self._require(case)
            try:
                make = self._given if recipe.artifact else self._built
                self.artifacts[key] = make(key, recipe, self._model(case.model))
            except (Unavailable, UserError, WorkerFailed) as failure:
                self._failed[key] = failure
                raise
        if key in self._originals:
            self._originals[key].require_unchanged()
        return self.artifacts[key]

    def _built(self, key: Case, recipe: Variant, model: Model) -> Artifact:
        if recipe.served:
            require_pixels(model, recipe)
        calibration = self._calibration(key.model) if recipe.calibrated else None
        return self._cache.get(
            identity.of_artifact(
                model, recipe, calibration.sha256 if calibration else None, self._settings.tree
            ),
            runtime(recipe.runtime).suffix(recipe),
            lambda path: self._build(model, recipe, path, calibration),
        )

    def _given(self, key: Case, row: Variant, model: Model) -> Artifact:
        """The copy of what another tool built. Raises UserError where it does not fit the model."""
        require_pixels(model, row)
        self._originals[key] = found = original(row)
        outputs = _outputs(model)
        return self._cache.get(
            identity.of_copy(model, row, found.names, outputs),
            f"{Path(OWN_NAMES).suffix}/{found.files[0].name}",
            lambda path: self._admit(model, row, found, outputs, path),
        )

    def _admit(
        self, model: Model, row: Variant, found: Original, outputs: int, path: Path
    ) -> dict[str, Any]:
        """What the worker answered that opened the copy, which this makes at `path`."""
        name, settings = f"{model.spec.name}/{row.name}", self._settings
        private(path.parent)
        found.copy(path)
        self._say(f"opening {found.files[0].name} of {name}")
        device = "cpu" if "cpu" in row.devices else "cuda:0"
        placement = Placement(path, row, device, model.architecture, settings.threads)
        return ask(
            {
                "verb": "admit",
                **placement.to_json(),
                "outputs": outputs,
                "undone": undone(model.preprocess),
            },
            settings.seconds,
            option="--build-seconds",
            name=f"the process that opens {name}",
            memory_bytes=settings.memory_bytes or default_limit(),
        )

    def _require_suits(self, model: Model, recipe: Variant) -> None:
        """Raises Unavailable, with the reason, where the recipe cannot be made of the network, by
        the verb `suits` of its runtime, which a package's may lack. What a transform makes of the
        network is not known yet."""
        suits = getattr(runtime(recipe.runtime), "suits", None)
        if suits is None or recipe.transform:
            return
        name = model.spec.name
        if name not in self._networks:
            self._networks[name] = _observed(model)
        if network := self._networks[name]:
            suits(network, recipe)

    def _build(
        self, model: Model, recipe: Variant, path: Path, calibration: Images | None
    ) -> dict[str, Any]:
        """What the worker answered that wrote the artifact to `path`."""
        name, settings = f"{model.spec.name}/{recipe.name}", self._settings
        self._require_suits(model, recipe)
        if recipe.served:
            return self._ask_server(name, model, recipe, path)
        self._say(f"building {name}")
        start, images = monotonic(), None
        if calibration:
            images = path.with_name("calibration.npy")
            np.save(images, calibration.images[:])
        request = {
            "verb": "build",
            "spec": asdict(model.spec),
            "weights": settings.weights,
            "sha256": model.weights.sha256,
            "recipe": recipe.to_json(),
            "import_roots": list(settings.import_roots),
            "trees": settings.trees,
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
        self._say(
            f"built {name} in {answer['build_seconds']:.1f} s; with the start of a process "
            f"{monotonic() - start:.0f} s"
        )
        return answer

    def _ask_server(self, name: str, model: Model, recipe: Variant, path: Path) -> dict[str, Any]:
        """What a running server says of its model, which this process asks: nothing is built."""
        self._say(f"asking the server of {name}")
        start = monotonic()
        found = runtime(recipe.runtime).build(model, recipe, path, None) or {}
        return {**found, "build_seconds": monotonic() - start}


def _outputs(model: Model) -> int:
    """How many numbers the model answers an image with."""
    import torch

    with torch.inference_mode():
        return int(model.module(torch.zeros(1, *model.architecture["image"])).shape[-1])


def _observed(model: Model) -> Network | None:
    """None of a network that cannot be called so: its build says why."""
    try:
        return observed(model.module, model.architecture["image"])
    except Exception:  # whatever the network's own code says of an image
        return None
