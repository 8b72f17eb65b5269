"""Models of transformers: a local folder or a name on the Hugging Face hub."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.models.weights import (
    cached_file,
    file_sha256,
    first_line,
    hub_answers,
    synthesize,
    tensors_sha256,
)

# Architectures of well-known names, so that seeded weights need no download.
_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
         "intermediate_size": 3072}  # fmt: skip
_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
          "intermediate_size": 4096}  # fmt: skip
_SMALL = {**_BASE, "hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
_TINY = {**_BASE, "hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
KNOWN = {
    "google/vit-base-patch16-224": _BASE,
    "google/vit-large-patch16-224": _LARGE,
    "facebook/deit-tiny-patch16-224": _TINY,
    "facebook/deit-small-patch16-224": _SMALL,
    "facebook/deit-base-patch16-224": _BASE,
}
TYPES = ("vit", "deit")
ATTENTION = "sdpa_unmasked"  # a name of ours
FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers' progress bars and advice are for its own users."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _logits(model: Any) -> Any:
    """transformers returns an output object; a deployment returns logits.

    An image has no padding, and attention no mask. transformers makes one of nothing but True where
    a graph is exported; it makes none for an attention that it has no function of masks for.
    """
    import torch
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    AttentionInterface.register(ATTENTION, sdpa_attention_forward)
    with _quiet():
        model.set_attn_implementation(ATTENTION)

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Any) -> Any:
            return self.model(pixel_values=images).logits

    return Logits()


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """The bare module, images to logits; its weights mean nothing."""
    from transformers import AutoConfig, AutoModelForImageClassification

    with _quiet():
        config = AutoConfig.for_model(**architecture["config"])
        return _logits(AutoModelForImageClassification.from_config(config))


def creation_code(architecture: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            "import torch, types",
            "from transformers import AutoConfig, AutoModelForImageClassification as Auto",
            f"net = Auto.from_config(AutoConfig.for_model(**{dict(architecture['config'])!r}))",
            "model = torch.nn.ModuleDict({'model': net})",
            "model.forward = lambda images: model['model'](pixel_values=images).logits",
        ]
    )


def load(spec: ModelSpec, mode: str | None) -> Model:
    """Load a folder or a hub name. `mode` is the value of --weights, or None."""
    folder, note = _folder(spec, mode)
    about: dict[str, Any]
    if folder is None:
        config = {"model_type": "vit", "num_labels": 1000, **_known(spec.ident, note)}
        architecture = {"source": "hf", "config": config}
        module = synthesize(lambda: skeleton(architecture))
        about = {"origin": "seeded", "file_sha256": None, "note": f"synthetic: {note}"}
        names = labels.numbered(1000)
    else:
        config = _config(folder)
        labels.indexed(config.get("id2label") or {}, str(folder / "config.json"))
        architecture = {"source": "hf", "config": config}
        file = folder / "model.safetensors"
        if not file.exists():
            raise UserError(
                f"{folder}: model.safetensors is missing; save the model with save_pretrained"
            )
        module = _trained(folder, file, config)
        origin = "checkpoint" if spec.path else "pretrained"
        about = {"origin": origin, "file_sha256": file_sha256(file), "note": note}
        names = labels.of_config(config, int(module.model.config.num_labels))
    preprocess = _preprocess(folder, module.model.config)
    weights = Weights(sha256=tensors_sha256(module), synthetic=folder is None, **about)
    return Model(spec, module, architecture, preprocess, names, weights, scriptable=False)


def _trained(folder: Path, file: Path, config: Mapping[str, Any]) -> Any:
    """The folder's model, by transformers' own loader: it renames keys of older files."""
    import torch
    from transformers import AutoConfig, AutoModelForImageClassification

    try:
        with _quiet():
            model, info = AutoModelForImageClassification.from_pretrained(
                folder,
                config=AutoConfig.for_model(**config),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # whatever a damaged file leads the library to
        raise UserError(
            f"{file} is not a checkpoint of its config.json: {first_line(error)}"
        ) from error
    wrong = [*info["missing_keys"], *info["mismatched_keys"]]
    if wrong:
        raise UserError(
            f"{file} does not fit its config.json: {len(wrong)} tensors are missing or of another "
            f"shape, such as {wrong[0]}; save the model again with save_pretrained"
        )
    return _logits(model)


def _folder(spec: ModelSpec, mode: str | None) -> tuple[Path | None, str]:
    """Where the files lie and where they came from; or None and why they are not there."""
    if spec.path:
        return Path(spec.path), Path(spec.path).name
    if mode == "bundled":
        raise UserError(f"--weights bundled: there is no bundled checkpoint for hf:{spec.ident}")
    if mode == "seeded":
        return None, "asked for"
    cached = {name: cached_file(spec.ident, (name,)) for name in FILES}
    weights = cached["model.safetensors"]
    if weights and all(cached.values()):
        return weights.parent, f"{spec.ident}, cached"
    why = f"hf:{spec.ident} is not in the cache and the hub does not answer"
    if hub_answers():
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(spec.ident, allow_patterns=[*FILES])), spec.ident
        except Exception as error:  # whatever a broken connection leads the library to
            why = f"hf:{spec.ident} cannot be downloaded ({first_line(error)})"
    if weights:
        lacking = ", ".join(name for name, found in cached.items() if not found)
        raise UserError(
            f"--model hf:{spec.ident}: the cache has its weights and lacks {lacking}, and the hub "
            "does not answer: images could be prepared otherwise than for training. Download it "
            "whole, or name its folder"
        )
    if mode == "pretrained":
        raise UserError(f"--weights pretrained: {why}; use --weights seeded or a local folder")
    return None, why


def _known(ident: str, why: str) -> dict[str, Any]:
    if ident not in KNOWN:
        raise UserError(
            f"--model hf:{ident}: {why}, and its architecture is not among {', '.join(KNOWN)}; "
            "give a folder with config.json and model.safetensors"
        )
    return KNOWN[ident]


def _config(folder: Path) -> dict[str, Any]:
    """config.json as a dict. Raises UserError where it is missing, damaged or of another kind."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): not a model folder") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): save the model again") from error
    if not isinstance(config, dict) or config.get("model_type") not in TYPES:
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise UserError(f"{path}: model_type is {kind!r}; expected one of {', '.join(TYPES)}")
    dropped = ("transformers_version", "torch_dtype", "dtype", "_name_or_path")
    kept = {name: value for name, value in config.items() if name not in dropped}
    if config["model_type"] == "deit":  # transformers has two classes of it, and asks which
        kept.setdefault("architectures", ["DeiTForImageClassification"])
    return kept


def _preprocess(folder: Path | None, config: Any) -> Any:
    """The folder's own image processor; without one ViTImageProcessor's defaults."""
    from transformers import AutoImageProcessor, ViTImageProcessor

    with _quiet():
        if folder is not None and (folder / "preprocessor_config.json").exists():
            try:
                processor = AutoImageProcessor.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
            except Exception as error:
                raise UserError(f"{folder / 'preprocessor_config.json'}: {error}") from error
        else:
            size = {"height": config.image_size, "width": config.image_size}
            processor = ViTImageProcessor(size=size)

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        pixels = processor(images=image, return_tensors="np")["pixel_values"][0]
        return np.ascontiguousarray(pixels, dtype=np.float32)

    return preprocess
