"""Models of timm: its names, its files, and checkpoints in its or DeiT's key names."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.models.preprocess import TUTORIAL, as_array, tutorial
from vitbench.models.weights import (
    cached_file,
    file_sha256,
    first_line,
    hub_answers,
    load_strictly,
    read_checkpoint,
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
    state, weights, config = _state(spec, mode)
    head = next(
        (v for k, v in (state or {}).items() if k in ("head.weight", "head.fc.weight")), None
    )
    declared = timm.get_pretrained_cfg(name)
    classes = (
        int(head.shape[0]) if head is not None else (declared and declared.num_classes) or 1000
    )
    architecture = {"source": "timm", "name": name, "num_classes": classes}
    if state is None:
        module = synthesize(lambda: skeleton(architecture))
    else:
        module = skeleton(architecture)
        load_strictly(module, state, Path(spec.path) if spec.path else Path(weights["note"]))
    data = timm.data.resolve_model_data_config(module, pretrained_cfg=config.get("pretrained_cfg"))
    transform = tutorial() if config.get("input") == TUTORIAL else as_array(
        timm.data.create_transform(**data, is_training=False)
    )  # fmt: skip
    return Model(
        spec, module, architecture, transform, labels.of_config(config, classes),
        Weights(sha256=tensors_sha256(module), synthetic=state is None, **weights),
        scriptable=True,
    )  # fmt: skip


def _state(
    spec: ModelSpec, mode: str | None
) -> tuple[dict[str, Any] | None, dict[str, Any], dict[str, Any]]:
    """The state dict (None: seed it), what is known of it, and its config.

    Of a config count our own `classes` and `input`, and timm's `pretrained_cfg` and labels.
    """
    if spec.path:
        path = Path(spec.path)
        about = {"origin": "checkpoint", "file_sha256": file_sha256(path), "note": path.name}
        return read_checkpoint(path), about, _config_beside(path)
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


def _bundled(name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
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
