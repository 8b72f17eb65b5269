"""The model noun: what is computed, with which weights, on which input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class ModelSpec:
    """A parsed `--model [NAME=]SPEC`, or a row of `[tool.vitbench.models]`.

    `name` is the slug in case ids. `source` is `timm`, `hf`, `hub` or `py`; `ident` is
    the name that source knows (of `py`: `package.module:factory`); `path` is a local folder or
    checkpoint file, or None. `public` is the spec as a report stores it, without absolute paths.
    `ema` chooses the averaged or the plain weights of a checkpoint that has both; None leaves it to
    the source. `args` are arguments of a timm model, or of a factory, that the user set.
    `preprocessing` has what the user set of it, in timm's words (mean, std, interpolation,
    crop_pct, crop_mode, input_size). `labels` is the absolute path of a file with a label a line,
    or the labels. `head` is `single-label`, `binary`, `multi-label`, `regression` or `embedding`;
    None: as the source says, else `single-label`. `threshold` is a probability, of `binary` and
    `multi-label`; None: 0.5. `origin` is where the spec was written: `--model`, a file such as
    `pyproject.toml`, or a package with its version.
    """

    name: str
    source: str
    ident: str
    path: str | None
    public: str
    ema: bool | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    labels: str | tuple[str, ...] | None = None
    head: str | None = None
    threshold: float | None = None
    origin: str = "--model"

    @property
    def where(self) -> str:
        """How a sentence on the model begins: where a user wrote it."""
        own = self.origin == "--model"
        return f"--model {self.public}" if own else f"{self.origin}: the model {self.name!r}"

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> "ModelSpec":
        """The other end of `asdict`. What is missing has its default. Raises TypeError for an
        unknown field."""
        labels = spec.get("labels")
        return cls(**{**spec, "labels": tuple(labels) if isinstance(labels, list) else labels})

    def settings(self) -> dict[str, Any]:
        """What the user set of the model, as a report stores it: a file by its name."""
        labels = Path(self.labels).name if isinstance(self.labels, str) else self.labels
        given = {
            "ema": self.ema,
            "args": dict(self.args),
            "preprocessing": dict(self.preprocessing),
            "labels": list(labels) if isinstance(labels, tuple) else labels,
            "head": self.head,
            "threshold": self.threshold,
        }
        return {name: value for name, value in given.items() if value not in (None, {})}


@dataclass(frozen=True)
class Weights:
    """Where weights came from and what they are.

    `origin` is `pretrained`, `bundled`, `checkpoint`, `factory` (a team's own code) or `seeded`.
    `sha256` digests the float32 tensors as they were loaded, in the order of their names;
    `file_sha256` digests the one file they came from (what `sha256sum` prints; of several, of its
    lines), or is None. `synthetic`
    weights are never trained: their agreement is shown, never claimed. `note` says in a few words
    why this origin.
    """

    origin: str
    sha256: str
    file_sha256: str | None
    synthetic: bool
    note: str


@dataclass(frozen=True)
class Label:
    """A class of the model: the identifier a folder of images may carry, and a name."""

    id: str
    name: str


@dataclass(frozen=True)
class Model:
    """A loaded model.

    `module` is a float32 torch module in eval mode on the CPU: images (N, 3, H, W) to logits
    (N, C). `preprocess` takes an RGB image to a float32 array (3, H, W). `labels` has C entries.
    A grey model takes 1 channel instead of 3. `architecture` is JSON: enough for `models.skeleton`
    to make the module again without its weights, and `image`, the shape (3, H, W) that it takes.
    `scriptable` is False where torch.jit.script is known to fail and tracing serves. `notes` are
    sentences on how the files were read that the user must see: what was chosen, left out or taken
    from elsewhere. `head` is one of `ModelSpec.head`, and `threshold` its probability.
    """

    spec: ModelSpec
    module: Any
    architecture: Mapping[str, Any]
    preprocess: Callable[[Image.Image], NDArray[np.float32]]
    labels: tuple[Label, ...]
    weights: Weights
    scriptable: bool
    notes: tuple[str, ...] = ()
    head: str = "single-label"
    threshold: float = 0.5
