"""Models of transformers: a local folder or a name on the Hugging Face hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models import transformers_files as files
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.models.transformers_images import preprocess_of
from vitbench.models.transformers_kinds import Kind, head_of, kind_of
from vitbench.models.transformers_network import (
    architecture_of,
    creation_code,
    quiet,
    skeleton,
    trained,
)
from vitbench.models.transformers_towers import tower
from vitbench.models.weights import synthesize, tensors_sha256

__all__ = ["creation_code", "load", "skeleton"]

# Architectures of well-known names, so that seeded weights need no download.
_BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_SMALL = {**_BASE, "hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
_TINY = {**_BASE, "hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
KNOWN = {
    "google/vit-base-patch16-224": _BASE,
    "google/vit-large-patch16-224": _LARGE,
    "facebook/deit-tiny-patch16-224": _TINY,
    "facebook/deit-small-patch16-224": _SMALL,
    "facebook/deit-base-patch16-224": _BASE,
}


def load(spec: ModelSpec, mode: str | None) -> Model:
    """Load a folder or a hub name. `mode` is the value of --weights, or None."""
    folder, note = files.find(spec, mode)
    if folder is None:
        return _seeded(spec, note)
    path = folder / files.CONFIG
    raw = files.config_of(folder)
    if spec.path is None and isinstance(raw.get("architecture"), str):
        raise UserError(
            f"--model hf:{spec.ident}: its files are timm's, and not transformers' own: write "
            f"hf-hub:{spec.ident}"
        )
    kind = kind_of(raw, path)
    config = _configured(kind, path)
    head = _head(spec, kind, config, path)
    with quiet():
        preprocess, notes = preprocess_of(folder, config, architecture_of(kind), spec)
    read, left = files.weights_of(folder)
    if kind.classifies:
        architecture = architecture_of(kind)
        module, told = trained(folder, read, architecture)
        names = labels.of_config(raw, int(config.num_labels))
        told += _names_of_none(raw, len(names))
    else:
        architecture, module, told = tower(folder, read, kind, preprocess)
        names = ()
    origin = "checkpoint" if spec.path else "pretrained"
    weights = Weights(origin, tensors_sha256(module), files.sha256(read), False, note)
    notes = (*left, *told, *notes)
    return Model(spec, module, architecture, preprocess, names, weights, False, notes, head)


def _seeded(spec: ModelSpec, why: str) -> Model:
    """A well-known ViT whose files are not there, and `why`."""
    config = {"model_type": "vit", "num_labels": 1000, **_known(spec.ident, why)}
    architecture = architecture_of(Kind("ViTForImageClassification", config, classifies=True))
    module = synthesize(lambda: skeleton(architecture))
    preprocess, notes = preprocess_of(None, module.model.config, architecture, spec)
    weights = Weights("seeded", tensors_sha256(module), None, True, f"synthetic: {why}")
    names = labels.numbered(1000)
    return Model(spec, module, architecture, preprocess, names, weights, False, notes)


def _configured(kind: Kind, path: Path) -> Any:
    """transformers' own object of a config. Raises UserError where it takes none such."""
    from transformers import AutoConfig

    labels.indexed(kind.config.get("id2label") or {}, str(path))
    try:
        with quiet():
            made = AutoConfig.for_model(**kind.config)
    except Exception as error:  # whatever a strange value leads the library to
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no config that transformers takes: {reason}") from error
    return made


def _head(spec: ModelSpec, kind: Kind, config: Any, path: Path) -> str:
    """What the outputs mean: by the user, else an embedding of a tower, else by problem_type.

    Raises UserError for a classifier without a head that is not to be an embedding.
    """
    outputs = int(config.num_labels)
    said = head_of(config.problem_type, outputs, path) if kind.classifies else "embedding"
    head = spec.head or said
    if kind.classifies and outputs == 0 and head != "embedding":
        raise UserError(
            f"{path}: the model has no head (num_labels is 0), and its outputs are features: "
            'compare them with head = "embedding", or give a model with a classifier'
        )
    return head


def _names_of_none(config: Mapping[str, Any], outputs: int) -> tuple[str, ...]:
    """A sentence where id2label names classes that the model has no output for."""
    named = labels.indexed(config.get("id2label") or {}, files.CONFIG)
    if not (none := sorted(index for index in named if index >= outputs)):
        return ()
    return (
        f"id2label names class {none[0]} ({named[none[0]]}), and the model's outputs are 0 to "
        f"{outputs - 1}: outputs without a name are called by their number",
    )


def _known(ident: str, why: str) -> dict[str, Any]:
    if ident not in KNOWN:
        raise UserError(
            f"--model hf:{ident}: {why}, and its architecture is not among {', '.join(KNOWN)}; "
            "give a folder with config.json and its weights"
        )
    return KNOWN[ident]
