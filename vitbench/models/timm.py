"""Models of timm: its names and arguments, its folders, and checkpoints in its key names."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models.base import Label, Model, ModelSpec, Weights
from vitbench.models.checkpoint import Checkpoint
from vitbench.models.spec import PREFIX
from vitbench.models.timm_files import Config, Found, config_at, config_of, find, seeded
from vitbench.models.timm_hub import snapshot
from vitbench.models.timm_images import preprocess_of
from vitbench.models.timm_module import (
    arguments,
    check_head,
    fill,
    heads_in,
    made,
    skeleton,
)
from vitbench.models.timm_names import current_name, head_of
from vitbench.models.transformers_kinds import head_of as head_of_problem
from vitbench.models.weights import synthesize, tensors_sha256

__all__ = ["creation_code", "load", "skeleton"]

# Arguments of timm.create_model that are said elsewhere.
RESERVED: Mapping[str, str] = {
    "model_name": "the name of the model stands before its arguments",
    "pretrained": "--weights says which weights are taken",
    "checkpoint_path": "write NAME@PATH, or checkpoint = PATH",
    "pretrained_cfg": "write what differs in preprocessing",
    "pretrained_cfg_overlay": "write what differs in preprocessing",
    "pretrained_strict": "weights always fit exactly",
    "cache_dir": "HF_HOME says where the hub's cache lies",
    "features_only": "feature maps are neither classes nor an embedding",
    "kwargs": "write each argument by its own name",
}


def creation_code(architecture: Mapping[str, Any]) -> str:
    given = "".join(f", {name}={value!r}" for name, value in arguments(architecture).items())
    return f"import timm\nmodel = timm.create_model({architecture['name']!r}{given})"


def load(spec: ModelSpec, mode: str | None) -> Model:
    """Load a timm model. `mode` is the value of --weights, or None where it was not given."""
    place, origin = Path(spec.path) if spec.path else None, ""
    if spec.ident.startswith(PREFIX):
        place, origin = snapshot(spec, mode)
    config = config_at(place)
    folder = place is not None and place.is_dir()
    if folder and config.architecture is None:
        raise UserError(f"{config.path} is no config of timm's: it names no architecture")
    name, notes = current_name(str(config.architecture) if folder else spec.ident, spec.where)
    if origin and mode == "seeded":
        found = seeded("asked for")
    else:
        found = find(place, spec.ema, mode, name)
    if origin and found.checkpoint is not None:
        found = replace(found, about={**found.about, "origin": "pretrained", "note": origin})
    if found.config:
        config = config_of(found.config, config.path)
    if not folder and config.architecture not in (None, name.split(".")[0], spec.ident):
        config = Config(config.path, config.raw, None, {}, config.pretrained)
    where = str(config.path) if folder else spec.where
    architecture = _architecture(name, config, spec.args, found, where)
    classes = architecture["num_classes"]
    if found.checkpoint is None:
        module = synthesize(lambda: made(architecture, where))
    else:
        module = made(architecture, where)
        notes += fill(module, found, architecture)
    head, said = (
        ("embedding", ()) if classes == 0 else head_of(name, classes, place is None or origin != "")
    )
    if said_by := config.raw.get("problem_type"):  # transformers' wrapper writes it
        head = head_of_problem(said_by, classes, config.path)
    notes += said + labels.of_another_number(config.labelled, classes, config.path.name)
    transform, how = preprocess_of(module, config, spec.preprocessing, spec.where)
    return Model(
        spec,
        module,
        architecture,
        transform,
        _labels(config, module, classes),
        Weights(sha256=tensors_sha256(module), synthetic=found.checkpoint is None, **found.about),
        scriptable=True,
        notes=(*notes, *found.notes, *how),
        head=head,
    )


def _labels(config: Config, module: Any, classes: int) -> tuple[Label, ...]:
    """Of classes; of an embedding as many as it has numbers."""
    if classes == 0:
        return labels.numbered(
            int(getattr(module, "head_hidden_size", None) or module.num_features)
        )
    return labels.of_config(config.labelled, classes, str(config.path))


def _architecture(
    name: str, config: Config, settings: Mapping[str, Any], found: Found, where: str
) -> dict[str, Any]:
    """What makes the module: the config's arguments, and the user's `settings` before them.

    The number of classes is that of the user, the checkpoint's head, the config or timm's registry.
    """
    import timm

    declared = timm.get_pretrained_cfg(name)
    args = {**config.args, **settings}
    for key in args:
        if key in RESERVED or not key.isidentifier():
            why = f": {RESERVED[key]}" if key in RESERVED else ""
            raise UserError(f"{where}: {key} is no argument of a timm model that can be set{why}")
    classes = args.pop("num_classes", None)
    if classes is None and found.checkpoint is not None:
        classes = _classes(found.checkpoint, declared)
    said = config.pretrained.get("num_classes") if config.architecture else None
    if said is not None and classes not in (None, said) and "num_classes" not in settings:
        raise UserError(
            f"{config.path} says num_classes {said}, and the head of {found.file.name} has "
            f"{classes}: one of them is another model's"
        )
    classes = said if classes is None else classes
    if classes is None:
        classes = 1000 if declared is None else declared.num_classes
    check_head(classes, where)
    architecture = {"source": "timm", "name": name, "num_classes": classes}
    if args:
        architecture["args"] = args
    size = {
        key: config.pretrained[key]
        for key in ("input_size", "fixed_input_size")
        if config.architecture and not config.wrapped and key in config.pretrained
    }
    if size and any(
        declared is None or _listed(getattr(declared, key)) != _listed(value)
        for key, value in {"fixed_input_size": False, **size}.items()
    ):
        architecture["pretrained_cfg"] = {key: _listed(value) for key, value in size.items()}
    return architecture


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _classes(checkpoint: Checkpoint, declared: Any) -> int | None:
    """How many outputs the head has, by timm's names of heads, which may have a prefix."""
    heads = [name for name in heads_in(checkpoint, declared) if name.endswith(".weight")]
    if not heads:
        return None
    name = min(heads, key=lambda name: name.count("."))  # a layer inside may be called like a head
    return int(checkpoint.state[name].shape[0])
