"""Models of transformers: a local folder or a name on the Hugging Face hub."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models import transformers_files as files
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.models.transformers_images import preprocess_of
from vitbench.models.weights import first_line, synthesize, tensors_sha256

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
ATTENTION = "sdpa_unmasked"  # a name of ours


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
    folder, note = files.find(spec, mode)
    about: dict[str, Any]
    if folder is None:
        config = {"model_type": "vit", "num_labels": 1000, **_known(spec.ident, note)}
        architecture = {"source": "hf", "config": config}
        module = synthesize(lambda: skeleton(architecture))
        about = {"origin": "seeded", "file_sha256": None, "note": f"synthetic: {note}"}
        names = labels.numbered(1000)
        preprocess, notes = preprocess_of(None, module.model.config)
    else:
        config = files.config_of(folder)
        made = _configured(config, folder / files.CONFIG)
        architecture = {"source": "hf", "config": config}
        with _quiet():
            preprocess, notes = preprocess_of(folder, made)
        read, left = files.weights_of(folder)
        module, unused = _trained(folder, read, made)
        origin = "checkpoint" if spec.path else "pretrained"
        about = {"origin": origin, "file_sha256": files.sha256(read), "note": note}
        names = labels.of_config(config, int(made.num_labels))
        notes = (*left, *unused, *notes, *_names_of_none(config, len(names)))
    weights = Weights(sha256=tensors_sha256(module), synthetic=folder is None, **about)
    return Model(spec, module, architecture, preprocess, names, weights, False, notes)


def _configured(config: Mapping[str, Any], path: Path) -> Any:
    """transformers' own object of a config. Raises UserError where it is none of a classifier."""
    from transformers import AutoConfig

    labels.indexed(config.get("id2label") or {}, str(path))
    try:
        with _quiet():
            made = AutoConfig.for_model(**config)
    except Exception as error:  # whatever a strange value leads the library to
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no config that transformers takes: {reason}") from error
    files.require_classes(int(made.num_labels), path)
    return made


def _names_of_none(config: Mapping[str, Any], outputs: int) -> tuple[str, ...]:
    """A sentence where id2label names classes that the model has no output for."""
    named = labels.indexed(config.get("id2label") or {}, files.CONFIG)
    if not (none := sorted(index for index in named if index >= outputs)):
        return ()
    return (
        f"id2label names class {none[0]} ({named[none[0]]}), and the model's outputs are 0 to "
        f"{outputs - 1}: outputs without a name are called by their number",
    )


def _trained(folder: Path, read: tuple[Path, ...], config: Any) -> tuple[Any, tuple[str, ...]]:
    """The folder's model, by transformers' own loader: it renames keys of older files.

    And a sentence on the tensors that it does not take.
    """
    import torch
    from transformers import AutoModelForImageClassification

    file = read[0] if len(read) == 1 else folder / f"{read[0].name} and {len(read) - 1} more files"
    try:
        with _quiet():
            model, info = AutoModelForImageClassification.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=read[0].suffix == ".safetensors",
                weights_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named below
            )
    except Exception as error:  # whatever a damaged file leads the library to
        raise UserError(f"{file} is not a checkpoint of its config.json: {_why(error)}") from error
    lacking = sorted(info["missing_keys"])
    shapes = [_of_two_shapes(*each) for each in sorted(info["mismatched_keys"])]
    wrong = [*shapes, *lacking]
    if lacking and all("classifier" in name for name in lacking):
        raise UserError(
            f"{file} has no classifier ({', '.join(lacking)}): its model gives features and no "
            "classes, which vitbench cannot judge; save the classifier with save_pretrained"
        )
    if wrong:
        raise UserError(
            f"{file} does not fit its config.json, which says {config.num_labels} classes: "
            f"{len(wrong)} tensors are missing or of another shape, such as {wrong[0]}; save the "
            "model again with save_pretrained"
        )
    unused = sorted(info["unexpected_keys"])
    said = f"{len(unused)} tensors that transformers does not take are left out, such as "
    return _logits(model), (said + unused[0],) if unused else ()


def _of_two_shapes(name: str, given: Any, needed: Any) -> str:
    return f"{name} ({tuple(given)} in the file, {tuple(needed)} by the config)"


def _why(error: Exception) -> str:
    """What an error says on one line; of a pickle that is none of tensors, what was not done."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, UnpicklingError) or "weights_only" in str(cause):
            return "not in torch's format, or its pickle is more than data: nothing was executed"
        cause = cause.__cause__ or cause.__context__
    return first_line(error)


def _known(ident: str, why: str) -> dict[str, Any]:
    if ident not in KNOWN:
        raise UserError(
            f"--model hf:{ident}: {why}, and its architecture is not among {', '.join(KNOWN)}; "
            "give a folder with config.json and its weights"
        )
    return KNOWN[ident]
