"""How photographs become the images of a model, by a data configuration of timm's."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from vitbench.errors import UserError
from vitbench.models.preprocess import (
    TUTORIAL,
    Described,
    Preprocess,
    as_array,
    changes,
    checked,
    tutorial,
)
from vitbench.models.timm_files import Config
from vitbench.models.weights import first_line


def preprocess_of(
    module: Any, config: Config, given: Mapping[str, Any], where: str
) -> tuple[Preprocess, tuple[str, ...]]:
    """timm's for evaluation, with what is `given` in place of the config's, and sentences on it.

    Raises UserError, which begins with `where`, for what is given and does not fit.
    """
    from timm.data.model_config import resolve_input_data_config

    if config.raw.get("input") == TUTORIAL:
        return of_tutorial(given, where)
    by = dict(config.pretrained) or None
    try:
        data = resolve_input_data_config(module, pretrained_cfg=by)
    except Exception as error:  # whatever a value of the config leads timm to
        raise UserError(f"{config.path}: timm cannot prepare images by it: {error}") from error
    wanted = checked(given, int(data["input_size"][0]), where)
    try:
        used = resolve_input_data_config(module, dict(wanted), by) if wanted else data
    except Exception as error:  # of a size that the module does not take
        raise UserError(f"{where}: preprocessing: {first_line(error)}") from error
    transform, how = of_data(used, str(config.path))
    return transform, (*how, *changes(data, wanted))


def of_tutorial(given: Mapping[str, Any], where: str) -> tuple[Preprocess, tuple[str, ...]]:
    """The tutorial's, with what is `given` in its place. Raises UserError."""
    data = {
        "input_size": (3, TUTORIAL["size"], TUTORIAL["size"]),
        "crop_pct": TUTORIAL["size"] / TUTORIAL["resize"],
        "crop_mode": "center",
        **{name: TUTORIAL[name] for name in ("interpolation", "mean", "std")},
    }
    if not (wanted := checked(given, 3, where)):
        return tutorial(), ()
    transform, how = of_data({**data, **wanted}, where)
    return transform, (*how, *changes(data, wanted))


def of_data(data: Mapping[str, Any], where: str) -> tuple[Preprocess, tuple[str, ...]]:
    """The preprocessing of a whole data configuration, and a sentence where colours are lost.

    Raises UserError, which begins with `where`.
    """
    from timm.data import create_transform

    try:
        transform = as_array(create_transform(**data, is_training=False))
    except Exception as error:  # whatever a value of the config leads timm to
        raise UserError(f"{where}: timm cannot prepare images by it: {error}") from error
    channels = data["input_size"][0]
    if channels == 3:
        return transform, ()
    if channels == 1:  # as timm's own scripts read images for such a model
        grey = Described(lambda image: transform(_grey(image)), transform.made_of, grey=True)
        return grey, ("photographs are made grey for it",)
    raise UserError(
        f"{where}: the model takes images of {channels} channels; photographs have 3, or "
        "1 if made grey"
    )


def _grey(image: Image.Image) -> Image.Image:
    return image.convert("L")
