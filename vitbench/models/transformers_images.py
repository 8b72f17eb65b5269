"""How a transformers model's images are prepared: by the processor that was saved with it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError
from vitbench.models import transformers_files as files
from vitbench.models.preprocess import Described, Preprocess

# (width, height) of photographs that a processor must make images of the model's shape from.
PROBES = ((320, 240), (240, 320), (50, 40))


def preprocess_of(folder: Path | None, config: Any) -> tuple[Preprocess, tuple[str, ...]]:
    """An RGB image to a float32 array (3, H, W) of the model's size, and sentences on it.

    Without files (`folder` is None) it is ViTImageProcessor with its defaults. Raises UserError
    where the processor cannot be made, is not there, or gives images of another shape.
    """
    file = files.processor(folder) if folder else None
    notes: tuple[str, ...] = ()
    if file:
        processor = _saved(file)
    else:
        processor = _default(config)
        if folder:
            notes = (_without(folder, config, processor),)

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        pixels = processor(images=image, return_tensors="np")["pixel_values"][0]
        return np.ascontiguousarray(pixels, dtype=np.float32)

    if folder:
        _require(preprocess, config, file or folder)
    return Described(preprocess, processor), notes


def _saved(file: Path) -> Any:
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(
            file.parent, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # whatever a damaged file leads the library to
        raise UserError(
            f"{file}: transformers makes no image processor of it: {_line(error)}"
        ) from error


def _default(config: Any) -> Any:
    from transformers import ViTImageProcessor

    height, width = _size(config.image_size)
    return ViTImageProcessor(size={"height": height, "width": width})


def _without(folder: Path, config: Any, processor: Any) -> str:
    """The sentence on a folder without a processor.

    DeiT's published models were trained with ImageNet's mean, and DeiTImageProcessor's default is
    another: neither is known to be right for these weights.
    """
    if config.model_type != "vit":
        raise UserError(
            f"{folder}: {files.PROCESSORS[0]} is missing, and the mean and size that a DeiT was "
            "trained with are not known without it: save the image processor of the training into "
            "the folder (DeiTImageProcessor(...).save_pretrained)"
        )
    height, width = _size(config.image_size)
    return (
        f"{files.PROCESSORS[0]} is missing: images are prepared by ViTImageProcessor's defaults "
        f"(resized to {height} x {width}, bilinear, mean {list(processor.image_mean)}, standard "
        f"deviation {list(processor.image_std)})"
    )


def _require(preprocess: Preprocess, config: Any, where: Path) -> None:
    """Raises UserError unless photographs of any shape become images of the model's."""
    if config.num_channels != 3:
        raise UserError(
            f"{where}: the model takes images of {config.num_channels} channels; photographs have 3"
        )
    wanted = (3, *_size(config.image_size))
    made = {}
    for width, height in PROBES:
        try:
            made[width, height] = preprocess(Image.new("RGB", (width, height))).shape
        except Exception as error:
            raise UserError(
                f"{where}: the image processor takes no photograph of {width} x {height} pixels: "
                f"{_line(error)}"
            ) from error
    for (width, height), shape in made.items():
        if shape != wanted:
            several = len(set(made.values())) > 1
            raise UserError(
                f"{where} makes images of {_text(shape)} from a photograph of {width} x {height} "
                f"pixels, and the model takes {_text(wanted)}: "
                + (
                    "resize to a height and a width, or add a center crop"
                    if several
                    else "the size or crop is not that of image_size in config.json"
                )
            )


def _size(image_size: Any) -> tuple[int, int]:
    """Height and width of a config's image_size, which is a number or both."""
    if isinstance(image_size, int):
        return image_size, image_size
    height, width = image_size
    return int(height), int(width)


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
