"""How photographs become the images of a factory's model: by the first that is there of what the
factory returns, the module's own config, and the user's settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench import team_code
from vitbench.errors import UserError
from vitbench.models.base import ModelSpec
from vitbench.models.preprocess import Described, Preprocess, changes, checked
from vitbench.models.python_module import Made, is_of_transformers
from vitbench.models.timm_files import Config
from vitbench.models.timm_images import of_data
from vitbench.models.timm_images import preprocess_of as of_timm
from vitbench.models.transformers_network import quiet
from vitbench.models.transformers_settings import applied, overridden

NEEDED = ("input_size", "mean", "std")  # what no default is right for
DEFAULTS = {"interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center"}  # timm's
EXAMPLE = "preprocessing = { input_size = [3, 224, 224], mean = [...], std = [...] }"


def preprocess_of(made: Made, spec: ModelSpec, where: str) -> tuple[Preprocess, tuple[str, ...]]:
    """With sentences on it. Raises UserError, which begins with `where`."""
    given = spec.preprocessing
    processor = _processor(made)
    if processor is not None:
        processor, told = overridden(processor, spec)
        return Described(applied(processor), processor), told
    if isinstance(made.preprocess, Mapping):
        return _of_settings({**made.preprocess, **given}, where, made.preprocess)
    if made.preprocess is not None:
        if not callable(made.preprocess):
            kind = type(made.preprocess).__name__
            raise UserError(
                f"{where} returns a preprocess of type {kind}: expected a function of a PIL image, "
                "or a table of timm's data configuration"
            )
        if given:
            raise UserError(
                f"{where}: the factory's preprocess is a function, which preprocessing = {{...}} "
                "cannot change: leave one of the two out"
            )
        return _of_function(made.preprocess, where), ()
    if isinstance(getattr(made.module, "pretrained_cfg", None), Mapping):
        return of_timm(made.module, Config(Path("its pretrained_cfg")), given, where)
    if given:
        return _of_settings(given, where)
    raise UserError(
        f"{where}: nothing says how photographs are prepared for the model: return (module, "
        f"preprocess), or write {EXAMPLE}"
    )


def _of_settings(
    given: Mapping[str, Any], where: str, before: Mapping[str, Any] | None = None
) -> tuple[Preprocess, tuple[str, ...]]:
    size = given.get("input_size")
    channels = size[0] if isinstance(size, list | tuple) and size and size[0] in (1, 3) else 3
    wanted = checked(given, channels, where)
    if lacking := [name for name in NEEDED if name not in wanted]:
        raise UserError(
            f"{where}: preprocessing has no {' and no '.join(lacking)}: write {EXAMPLE}"
        )
    transform, how = of_data({**DEFAULTS, **wanted}, where)
    told = changes(before, wanted) if before is not None else ()
    return transform, (*how, *told)


def _of_function(function: Callable[..., Any], where: str) -> Preprocess:
    """A team's own function or transform, tried on two photographs."""
    name = f"{where}: the factory's preprocess"

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        return _as_image(team_code.called(function, name, (image,)), name)

    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    photo = Image.fromarray(noise)
    if not np.array_equal(preprocess(photo), preprocess(photo)):
        raise UserError(
            f"{name} makes other images of one photograph each time: return the one of evaluation, "
            "without augmentation"
        )
    return Described(preprocess, function)


def _processor(made: Made) -> Any:
    """An image processor of transformers: the factory's, or the one that was saved with the model
    that it loaded; None for anything else."""
    kind = ("image_processing_base", "ImageProcessingMixin")
    if is_of_transformers(*kind, made.preprocess):
        return made.preprocess
    name = getattr(made.config, "_name_or_path", "")
    if made.preprocess is not None or not name:
        return None
    from transformers import AutoImageProcessor

    try:
        with quiet():
            return AutoImageProcessor.from_pretrained(
                name, local_files_only=True, trust_remote_code=False
            )
    except Exception:  # it was saved without: the user says how photographs are prepared
        return None


def _as_image(found: Any, name: str) -> NDArray[np.float32]:
    """A tensor or an array as float32 (3, H, W). Raises UserError for anything else."""
    if hasattr(found, "detach"):
        found = found.detach().cpu().numpy()
    if not isinstance(found, np.ndarray):
        raise UserError(
            f"{name} returns {type(found).__name__}: expected a tensor or an array (3, H, W)"
        )
    if found.ndim == 4 and found.shape[0] == 1:
        found = found[0]
    if found.ndim != 3 or found.shape[0] not in (1, 3):
        last = found.ndim == 3 and found.shape[2] in (1, 3)
        raise UserError(
            f"{name} returns an image of shape {found.shape}: expected (3, H, W)"
            + (", channels first" if last else "")
        )
    return np.ascontiguousarray(found, dtype=np.float32)
