"""How a transformers model's images are prepared: by the processor that was saved with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from vitbench.errors import UserError
from vitbench.models import transformers_files as files
from vitbench.models.base import ModelSpec
from vitbench.models.preprocess import Described, Preprocess
from vitbench.models.transformers_network import answers
from vitbench.models.transformers_settings import applied, overridden

# (width, height) of photographs that a processor must make images of the model's shape from.
PROBES = ((320, 240), (240, 320), (50, 40))


def preprocess_of(
    folder: Path | None, config: Any, architecture: Mapping[str, Any], spec: ModelSpec
) -> tuple[Preprocess, tuple[str, ...]]:
    """An RGB image to a float32 array (3, H, W) that the model takes, and sentences on it.

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
    processor, told = overridden(processor, spec)
    preprocess = applied(processor)
    if folder:
        notes += _require(preprocess, config, architecture, file or folder)
    return Described(preprocess, processor), (*notes, *told)


def _saved(file: Path) -> Any:
    from transformers import AutoImageProcessor

    _require_images(file)
    try:
        return AutoImageProcessor.from_pretrained(
            file.parent, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # whatever a damaged file leads the library to
        raise UserError(
            f"{file}: transformers makes no image processor of it: {_line(error)}"
        ) from error


def _require_images(file: Path) -> None:
    """Raises UserError for a file that names a processor of something else than images."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    content = files.json_of(file, "it says how images are prepared")
    inner = content.get("image_processor")
    content = inner if isinstance(inner, dict) else content
    named = content.get("image_processor_type") or content.get("feature_extractor_type")
    if named is None:
        return  # transformers goes by the model_type then
    known = {
        str(name).removesuffix("Pil").removesuffix("Fast")
        for row in IMAGE_PROCESSOR_MAPPING_NAMES.values()
        for name in (row.values() if isinstance(row, dict) else (row,))
    }
    plain = str(named).replace("FeatureExtractor", "ImageProcessor")
    if plain.removesuffix("Pil").removesuffix("Fast") not in known:
        raise UserError(
            f"{file} names {named}, which is no image processor of transformers: save the image "
            "processor of the training into the folder"
        )


def _default(config: Any) -> Any:
    from transformers import ViTImageProcessor

    height, width = _image_size(config) or (224, 224)
    return ViTImageProcessor(size={"height": height, "width": width})


def _without(folder: Path, config: Any, processor: Any) -> str:
    """The sentence on a folder without a processor.

    DeiT's published models were trained with ImageNet's mean, and DeiTImageProcessor's default is
    another: neither is known to be right for these weights. So it is with all but ViT.
    """
    if config.model_type != "vit":
        raise UserError(
            f"{folder}: {files.PROCESSORS[0]} is missing, and the mean and size that a model of "
            f"{config.model_type!r} was trained with are not known without it: save the image "
            "processor of the training into the folder (its save_pretrained writes the file)"
        )
    height, width = _image_size(config) or (224, 224)
    return (
        f"{files.PROCESSORS[0]} is missing: images are prepared by ViTImageProcessor's defaults "
        f"(resized to {height} x {width}, bilinear, mean {list(processor.image_mean)}, standard "
        f"deviation {list(processor.image_std)})"
    )


def _require(
    preprocess: Preprocess, config: Any, architecture: Mapping[str, Any], where: Path
) -> tuple[str, ...]:
    """Raises UserError unless photographs of any shape become images of one that the model takes.

    That need not be image_size of its config: a published DINOv2 says 518, and its processor
    makes 224. A sentence says so.
    """
    if (channels := int(getattr(_eye(config), "num_channels", 3))) != 3:
        raise UserError(
            f"{where}: the model takes images of {channels} channels; photographs have 3"
        )
    size = _image_size(config)
    made = {}
    for width, height in PROBES:
        try:
            made[width, height] = preprocess(Image.new("RGB", (width, height))).shape
        except Exception as error:
            raise UserError(
                f"{where}: the image processor takes no photograph of {width} x {height} pixels: "
                f"{_line(error)}"
            ) from error
    (width, height), shape = next(iter(made.items()))
    if len(shape) != 3:
        raise UserError(
            f"{where} makes arrays of {_text(shape)} from photographs, and no images of height and "
            "width: vitbench gives a model images alone"
        )
    several = len(set(made.values())) > 1
    wanted = (3, *size) if size else None
    if not several and wanted in (None, shape):
        return ()
    if not several and wanted and _takes(architecture, shape):
        return (
            f"{where.name} makes images of {_text(shape)}, and image_size in config.json is "
            f"{_text(wanted[1:])}: the model takes both, and gets the processor's",
        )
    shape = next(each for each in made.values() if each != wanted)
    width, height = next(key for key, each in made.items() if each == shape)
    raise UserError(
        f"{where} makes images of {_text(shape)} from a photograph of {width} x {height} pixels, "
        + (f"and the model takes {_text(wanted)}: " if wanted else "and of others from others: ")
        + (
            "resize to a height and a width, or add a center crop"
            if several
            else "the size or crop is not that of image_size in config.json"
        )
    )


def _takes(architecture: Mapping[str, Any], shape: tuple[int, ...]) -> bool:
    """Whether the network takes an image of `shape`."""
    try:
        answers(architecture, shape)
    except Exception:  # whatever another size leads a model to
        return False
    return True


def _eye(config: Any) -> Any:
    """The part of a config that is about images."""
    return getattr(config, "vision_config", config)


def _image_size(config: Any) -> tuple[int, int] | None:
    size = getattr(_eye(config), "image_size", None)
    return None if size is None else _size(size)


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
