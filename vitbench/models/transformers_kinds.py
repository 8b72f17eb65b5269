"""Which class of transformers a config.json is of: an image classifier, or an image tower.

What may load stands in transformers' own tables (`MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES`,
`MODEL_FOR_IMAGE_MAPPING_NAMES`), by a config's model_type. No code of a folder is executed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import UserError

# How a network's answer becomes one row an image: attributes of transformers' output objects.
LOGITS = "logits"
# The image half of a model of images and texts, which no table of transformers names. Its
# embedding is what `get_image_features` of the whole gives.
HALVES = {
    "clip": "CLIPVisionModelWithProjection",
    "metaclip_2": "MetaClip2VisionModelWithProjection",
    "siglip": "SiglipVisionModel",
}
_HEADS = {
    "single_label_classification": "single-label",
    "multi_label_classification": "multi-label",
    "regression": "regression",
}
# What says how a folder was saved, and not what the network is.
DROPPED = ("transformers_version", "torch_dtype", "dtype", "_name_or_path")


@dataclass(frozen=True)
class Kind:
    """`name` is the class in transformers, `config` the arguments of `AutoConfig.for_model`.

    `classifies` is False of an image tower, whose answer is an embedding. `half` says that the
    files are those of a model of images and texts, of which the text half is left.
    """

    name: str
    config: Mapping[str, Any]
    classifies: bool
    half: bool = False


def kind_of(config: Mapping[str, Any], path: Path) -> Kind:
    """The class that a config of `path` is of. Raises UserError where transformers has none."""
    model_type, named = config.get("model_type"), config.get("architectures") or []
    named = [str(each) for each in (named if isinstance(named, list) else [named])]
    classifiers, towers = _classes(model_type, path, named)
    _require_float(config, path)
    kept = {name: value for name, value in config.items() if name not in DROPPED}
    if not named and (classifiers or towers):
        named = [(classifiers or towers)[0]]
    if found := next((each for each in named if each in classifiers), None):
        _require_images_alone(found, path)
        return Kind(found, kept, classifies=True)
    if whole := next((each for each in named if each in _wholes(model_type)), None):
        return Kind(HALVES[str(model_type)], _half(kept, whole, path), classifies=False, half=True)
    if found := next((each for each in named if each in towers), None):
        return Kind(found, kept, classifies=False)
    said = f"architectures names {', '.join(named)}" if named else f"model_type is {model_type!r}"
    known = [*classifiers, *_wholes(model_type)]
    known += towers if known else []  # the tower of a detector alone gives no embedding
    raise UserError(
        f"{path}: {said}, which is neither an image classifier nor an image tower of transformers"
        + (f"; of {model_type!r} vitbench reads {', '.join(known)}" if known else "")
    )


def head_of(problem_type: Any, outputs: int, path: Path) -> str:
    """What the outputs of a classifier mean by its config; `single-label` where nothing is said.

    Of several labels there may be one, which is a sigmoid. Raises UserError for another word.
    """
    if problem_type is None:
        return "single-label"
    head = _HEADS.get(problem_type) if isinstance(problem_type, str) else None
    if head is None:
        raise UserError(
            f"{path}: problem_type is {problem_type!r}: expected one of {', '.join(_HEADS)}"
        )
    return "binary" if head == "multi-label" and outputs == 1 else head


def _classes(
    model_type: Any, path: Path, named: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classifiers and the towers of a model_type. Raises UserError where it is unknown."""
    import transformers
    from transformers.models.auto import modeling_auto as auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING_NAMES:
        saved = f" ({', '.join(named)})" if named else ""
        raise UserError(
            f"{path}: model_type is {model_type!r}{saved}, which transformers "
            f"{transformers.__version__} does not know: a folder of transformers names one of its "
            "own, and code that lies in a folder is not executed"
        )
    classifiers = auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.get(model_type, ())
    towers = [auto.MODEL_FOR_IMAGE_MAPPING_NAMES.get(model_type)]
    if model_type.endswith("_vision_model"):
        towers += [HALVES.get(model_type.removesuffix("_vision_model"))]
        towers += [auto.MODEL_MAPPING_NAMES.get(model_type)]
    return (
        (classifiers,) if isinstance(classifiers, str) else tuple(classifiers),
        tuple(dict.fromkeys(each for each in towers if isinstance(each, str))),
    )


def _wholes(model_type: Any) -> tuple[str, ...]:
    """The class of images and texts of a model_type whose image half can be read alone."""
    from transformers.models.auto import modeling_auto as auto

    if model_type not in HALVES:
        return ()
    return (str(auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES[model_type]),)


def _half(config: Mapping[str, Any], whole: str, path: Path) -> dict[str, Any]:
    """The config of the image half. The width of its projection is the whole's."""
    part = config.get("vision_config")
    if not isinstance(part, Mapping):
        raise UserError(
            f"{path} names {whole} and has no vision_config: save the model again with "
            "save_pretrained"
        )
    kept = {name: value for name, value in part.items() if name not in DROPPED}
    kept["model_type"] = f"{config['model_type']}_vision_model"
    if "projection_dim" in config:
        kept["projection_dim"] = config["projection_dim"]
    return kept


def _require_images_alone(name: str, path: Path) -> None:
    """Raises UserError for a class of transformers' table that is not called with images."""
    import transformers

    if (takes := getattr(transformers, name).main_input_name) == "input_ids":
        raise UserError(f"{path}: {name} takes {takes}, and vitbench gives a model images alone")


def _require_float(config: Mapping[str, Any], path: Path) -> None:
    """Raises UserError for weights that another tool has quantized already."""
    if quantized := config.get("quantization_config"):
        method = quantized.get("quant_method") if isinstance(quantized, Mapping) else quantized
        raise UserError(
            f"{path}: the weights are quantized already ({method}): vitbench compares against "
            "float32; give the folder that was quantized"
        )
