"""Models of timm: its names, its files, and checkpoints in its or DeiT's key names."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.models.checkpoint import Checkpoint, load_strictly, matched, read_checkpoint
from vitbench.models.preprocess import TUTORIAL, as_array, tutorial
from vitbench.models.weights import (
    cached_file,
    file_sha256,
    first_line,
    hub_answers,
    synthesize,
    tensors_sha256,
)

BUNDLED = {"deit_tiny_patch16_224": "deit_tiny_tin20"}
CHECKPOINTS = Path(__file__).resolve().parents[2] / "fixtures" / "checkpoints"
FILES = ("model.safetensors", "pytorch_model.bin")


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """The bare module; its weights mean nothing."""
    import timm

    return timm.create_model(architecture["name"], num_classes=architecture["num_classes"])


def creation_code(architecture: Mapping[str, Any]) -> str:
    name, classes = architecture["name"], architecture["num_classes"]
    return f"import timm\nmodel = timm.create_model({name!r}, num_classes={classes})"


def load(spec: ModelSpec, mode: str | None) -> Model:
    """Load a timm model. `mode` is the value of --weights, or None where it was not given."""
    import timm

    name = spec.ident
    if not timm.is_model(name.split(".")[0]):
        near = get_close_matches(name, timm.list_models(), n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() names them"
        raise UserError(f"--model {name}: timm has no such model; {hint}")
    if "." in name and name not in timm.list_pretrained(f"{name.split('.')[0]}.*"):
        known = ", ".join(timm.list_pretrained(f"{name.split('.')[0]}.*"))
        raise UserError(f"--model {name}: timm has no such tag; it has {known or 'none'}")
    checkpoint, weights, config = _state(spec, mode)
    declared = timm.get_pretrained_cfg(name)
    classes = (declared and declared.num_classes) or 1000
    if checkpoint is not None:
        classes = _classes(checkpoint, declared, classes)
    architecture = {"source": "timm", "name": name, "num_classes": classes}
    notes: tuple[str, ...] = ()
    if checkpoint is None:
        module = synthesize(lambda: skeleton(architecture))
    else:
        module = skeleton(architecture)
        file = Path(spec.path) if spec.path else Path(weights["note"])
        checkpoint = matched(checkpoint, module.state_dict(), file)
        load_strictly(module, checkpoint.state, file)
        notes = checkpoint.notes
    data = timm.data.resolve_model_data_config(module, pretrained_cfg=config.get("pretrained_cfg"))
    transform = tutorial() if config.get("input") == TUTORIAL else as_array(
        timm.data.create_transform(**data, is_training=False)
    )  # fmt: skip
    return Model(
        spec, module, architecture, transform, labels.of_config(config, classes, str(spec.path)),
        Weights(sha256=tensors_sha256(module), synthetic=checkpoint is None, **weights),
        scriptable=True, notes=notes,
    )  # fmt: skip


def _state(
    spec: ModelSpec, mode: str | None
) -> tuple[Checkpoint | None, dict[str, Any], dict[str, Any]]:
    """The checkpoint (None: seed it), what is known of it, and its config.

    Of a config count our own `classes` and `input`, and timm's `pretrained_cfg` and labels.
    """
    if spec.path:
        path = Path(spec.path)
        about = {"origin": "checkpoint", "file_sha256": file_sha256(path), "note": path.name}
        return read_checkpoint(path, spec.ema), about, _config_beside(path)
    bundled = BUNDLED.get(spec.ident)
    if mode == "bundled" or (mode is None and bundled):
        return _bundled(spec.ident)
    if mode in ("auto", "pretrained", None):
        file, why = _pretrained(spec.ident)
        if file:
            about = {"origin": "pretrained", "file_sha256": file_sha256(file), "note": why}
            return read_checkpoint(file), about, {}
        if mode == "pretrained":
            raise UserError(
                f"--weights pretrained: {spec.ident}: {why}; "
                "use --weights seeded, or a checkpoint: NAME@PATH"
            )
        if bundled:
            return _bundled(spec.ident)
    else:
        why = "asked for"
    return None, {"origin": "seeded", "file_sha256": None, "note": f"synthetic: {why}"}, {}


def _classes(checkpoint: Checkpoint, declared: Any, otherwise: int) -> int:
    """How many classes the head has that a checkpoint of timm's names, maybe prefixed, holds."""
    names = (declared and declared.classifier) or "head"
    ends = tuple(f"{name}.weight" for name in ([names] if isinstance(names, str) else names))
    for name, tensor in checkpoint.state.items():
        if f".{name}".endswith(tuple(f".{end}" for end in ends)):
            return int(tensor.shape[0])
    return otherwise


def _bundled(name: str) -> tuple[Checkpoint, dict[str, Any], dict[str, Any]]:
    if name not in BUNDLED:
        raise UserError(
            f"--weights bundled: there is no bundled checkpoint for {name}, "
            f"only for {', '.join(BUNDLED)}; use --weights auto"
        )
    folder = CHECKPOINTS / BUNDLED[name]
    path = folder / "model.safetensors"
    if not path.exists():
        raise UserError(
            f"the bundled checkpoint {path.name} is not there: it lies in a checkout of vitbench, "
            "not in an installed package; use --weights seeded or a checkout"
        )
    config = json.loads((folder / "config.json").read_text())
    digest = file_sha256(path)
    if digest != config["sha256"]:
        raise UserError(f"{path} is damaged: its sha256 is not that of config.json; restore it")
    about = {"origin": "bundled", "file_sha256": digest, "note": folder.name}
    return read_checkpoint(path), about, config


def _pretrained(name: str) -> tuple[Path | None, str]:
    """timm's own file from the hub's cache or the hub, and where it came from, or why not."""
    import timm

    config = timm.get_pretrained_cfg(name)
    repo = config.hf_hub_id if config else None
    if not repo:
        return None, "timm has no pretrained weights for it"
    if found := cached_file(repo, FILES):
        return found, f"{repo}, cached"
    if not hub_answers():
        return None, f"{repo} is not in the cache and the hub does not answer"
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for file in FILES:
        try:
            return Path(hf_hub_download(repo, file)), repo
        except Exception as error:  # whatever a broken connection leads the library to
            absent = isinstance(error, EntryNotFoundError)
            if absent and not isinstance(error, LocalEntryNotFoundError):
                continue
            return None, f"{repo} cannot be downloaded ({first_line(error)})"
    return None, f"{repo} holds none of {', '.join(FILES)}"


def _config_beside(path: Path) -> dict[str, Any]:
    """What lies beside a checkpoint; {} for one that comes alone."""
    file = path.parent / "config.json"
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file}, beside the checkpoint, cannot be read ({error}): repair it or move it away"
        ) from error
