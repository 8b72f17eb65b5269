"""What a user chose for a run, checked, as frozen data that another process can be told."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models import ModelSpec


@dataclass(frozen=True)
class Options:
    """What a user chose, checked. `rebuild` is a token of this run, or None to use the cache."""

    models: tuple[ModelSpec, ...]
    weights: str | None
    images: Path | None
    variants: tuple[str, ...]
    reference: str
    device: str
    batches: tuple[int, ...]
    threads: int
    seconds: float
    build_seconds: float
    profile: bool
    calibration: Path | None
    verify_images: int
    cache: Path
    rebuild: str | None

    def to_json(self) -> dict[str, Any]:
        """For another process, which may run another version: `from_json` is its other end."""
        return {**asdict(self), **{n: p and str(p) for n, p in self._paths().items()}}

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> "Options":
        """Raises TypeError where the two ends know different options: the protocol changed."""
        paths = {n: options[n] and Path(options[n]) for n in ("images", "calibration", "cache")}
        tuples = {name: tuple(options[name]) for name in ("variants", "batches")}
        models = tuple(ModelSpec(**spec) for spec in options["models"])
        return cls(**{**options, **paths, **tuples, "models": models})

    def _paths(self) -> dict[str, Path | None]:
        return {"images": self.images, "calibration": self.calibration, "cache": self.cache}


def check_counts(**values: float) -> None:
    """Raises UserError for an option whose value is not positive and finite."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise UserError(
                f"--{name.replace('_', '-')} {value}: must be greater than 0 and finite"
            )


def check_share(**values: float) -> None:
    """Raises UserError for an option whose value is not above 0 and below 1."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise UserError(
                f"--{name.replace('_', '-')} {value:g}: must lie between 0 and 1, such as 0.03"
            )
