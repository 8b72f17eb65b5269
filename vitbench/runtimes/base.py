"""What every runtime is made of, and what it makes: a Deployment."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.models import Model
from vitbench.structure.record import Counters

# The oldest release that the suite was run with; pyproject.toml has the same floors.
TORCH = ("torch>=2.11",)


def _nothing() -> None:
    """Synchronisation of a device that finishes its work before a call returns."""


@dataclass(frozen=True)
class Deployment:
    """A built case. Three verbs: `stage`, the call itself, `read`.

    `stage` takes images, float32 (N, 3, H, W), to whatever the call wants, on its device. The call
    takes that to an output. `read` takes an output to float32 logits (N, C) in new memory, so that
    a later call cannot overwrite them. Only the call and `synchronize` are ever timed. All calls
    happen inside `active()`, which sets the process-wide state that belongs to this deployment
    (quantized engine, inference mode) and restores what was there. `device_seconds` calls once and
    returns the seconds between two events on the device around it, where it has such.
    """

    stage: Callable[[NDArray[np.float32]], Any]
    call: Callable[[Any], Any]
    read: Callable[[Any], NDArray[np.float32]]
    synchronize: Callable[[], None] = _nothing
    active: Callable[[], AbstractContextManager[Any]] = nullcontext
    device_seconds: Callable[[Any], float] | None = None

    def __call__(self, staged: Any) -> Any:
        return self.call(staged)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images (N, 3, H, W) to logits (N, C): all three verbs."""
        with self.active():
            output = self.call(self.stage(images))
            self.synchronize()
            return self.read(output)


@dataclass(frozen=True)
class Operator:
    """Where the time of one call goes: seconds in an operator itself, and how often it ran."""

    name: str
    seconds: float
    calls: float


@dataclass(frozen=True)
class Variant:
    """A recipe: a runtime, its options, and the limits that the result must keep.

    `devices` are the kinds of device it is meant for; `about` is one line for people; `requires`
    are requirement strings, which `vitbench list` and a run check against what is installed;
    `calibrated` says that building it takes calibration images. `transform` is `pkg.mod:fn`, a
    function of the user's from (module, calibration images or None) to the module that is built.
    `artifact` is the absolute path of a file that another tool built, which nothing builds;
    `input` says how that file takes images where it differs from the model, and `model` is the name
    of the model that it belongs to. `origin` is where the row was written: `vitbench`, a file such
    as `pyproject.toml`, or a package with its version.
    """

    name: str
    runtime: str
    precision: str
    limits: Limits
    about: str
    devices: tuple[str, ...] = ("cpu",)
    options: Mapping[str, Any] = field(default_factory=dict)
    requires: tuple[str, ...] = TORCH
    calibrated: bool = False
    transform: str | None = None
    artifact: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    origin: str = "vitbench"

    @property
    def served(self) -> bool:
        """Whether a server that runs already computes it, on a machine that may be another one."""
        return self.runtime == "endpoint"

    def to_json(self) -> dict[str, Any]:
        """All fields, for another process: `from_json` is its other end."""
        return asdict(self)

    def definition(self) -> dict[str, Any]:
        """All fields, as a report stores them: a file by its name."""
        artifact = self.artifact and Path(self.artifact).name
        return {**self.to_json(), "artifact": artifact}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Variant":
        """What is missing has its default. Raises TypeError for an unknown field."""
        lists = {n: tuple(given[n]) for n in ("devices", "requires") if n in given}
        return cls(**{**given, **lists, "limits": Limits(**given["limits"])})


@dataclass(frozen=True)
class Placement:
    """An artifact's file on a device.

    `variant` is the recipe that the file was built by, `device` is `cpu` or `cuda:N`,
    `architecture` is the model's, which needs neither weights nor source file, and `threads` is how
    many threads of the CPU compute. From `import_roots`, folders, a project's own code is imported.
    """

    path: Path
    variant: Variant
    device: str
    architecture: Mapping[str, Any]
    threads: int
    import_roots: tuple[str, ...] = ()

    @property
    def image(self) -> tuple[int, int, int]:
        """The shape of one image: channels, height, width."""
        channels, height, width = self.architecture["image"]
        return channels, height, width

    def to_json(self) -> dict[str, Any]:
        """Fields of a request to another process. Older arms of a duet read the name of the
        variant; newer ones `recipe`, all of it."""
        return {
            "path": str(self.path),
            "variant": self.variant.name,
            "recipe": self.variant.to_json(),
            "device": self.device,
            "architecture": dict(self.architecture),
            "threads": self.threads,
            "import_roots": list(self.import_roots),
        }


class Runtime(Protocol):
    """One module of `runtimes/`. Adding one is a module, a row in `RUNTIMES`, rows of variants.

    A true `THIS_RUN_ALONE` of it, which may be lacking, says that an artifact of an earlier run is
    not taken.

    A verb of another module is imported as itself (`import version as version`): so mypy and ruff
    know that it is handed on.
    """

    __name__: str

    def version(self) -> str:
        """What executes, with its version: provenance, and the probe that it can be imported.

        Raises Unavailable with the reason where it cannot.
        """

    def supports(self, variant: Variant, device: str) -> None:
        """Raises Unavailable with the reason where this recipe cannot run on this device here."""

    def suffix(self, variant: Variant, /) -> str:
        """The file ending of this recipe's artifact."""

    def build(
        self, model: Model, variant: Variant, path: Path, calibration: NDArray[np.float32] | None, /
    ) -> dict[str, Any] | None:
        """Write the artifact of a model to `path`, and what belongs to it beside it, named alike.

        `calibration` is images (N, 3, H, W) where the recipe is calibrated, else None. What is
        known of the layers is returned: `quantized_layers` and `float_layers`, how many linear ones
        are either; `float_by_option`, how many of the latter the option `float_layers` names; and
        `quantized_names`, which are quantized, as the network names them and in its order.
        Raises Unavailable where the recipe cannot be made of this model, with the reason.
        """

    def load(self, placement: Placement, /) -> Deployment:
        """The deployment of an artifact.

        Needs neither the model's weights nor its source file. Raises for a file it cannot read.
        """

    def operators(self, placement: Placement, images: NDArray[np.float32], /) -> list[Operator]:
        """The operators of one call on `images`, by the runtime's own profiler, in any order.

        Raises Unavailable where the runtime has none.
        """

    def loading_code(self, placement: Placement, /) -> str:
        """Python that loads the artifact without vitbench, at most fifteen lines, ending in
        `model`."""

    def calling_code(self, variant: Variant, images: str, /) -> list[str]:
        """Lines of Python that call this `model` without vitbench.

        `images` is an expression of a NumPy array, float32 (N, 3, H, W); the lines set `logits`,
        a NumPy array, float32 (N, C).
        """


class Streaming(Protocol):
    """A verb more, which a runtime may lack: then it answers one call at a time in a process."""

    def streams(self, placement: Placement, count: int, /) -> list[Deployment]:
        """`count` deployments of an artifact, each called in a thread of its own at the same time
        as the others, by `placement.threads` threads each. On the CPU alone; a thread that calls
        them does not enter `active()`."""


class Counting(Protocol):
    """A verb more, which a runtime may lack: then the structures of its cases are not compared."""

    def structure(self, placement: Placement, images: NDArray[np.float32], /) -> Counters:
        """What one call on `images` executes, counted: at least `operators`, with their types.

        Only what is the same in every build, every load and every process is counted. Raises
        Unavailable where the runtime does not say what it executes.
        """
