"""Models of timm: its names and arguments, its folders, and checkpoints in its key names."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.models.checkpoint import Checkpoint
from vitbench.models.timm_files import Config, Found, config_at, config_of, find
from vitbench.models.timm_images import preprocess_of
from vitbench.models.timm_module import arguments, check_head, fill, made, skeleton
from vitbench.models.timm_names import current_name, doubts
from vitbench.models.weights import synthesize, tensors_sha256

__all__ = ["creation_code", "load", "skeleton"]


def creation_code(architecture: Mapping[str, Any]) -> str:
    given = "".join(f", {name}={value!r}" for name, value in arguments(architecture).items())
    return f"import timm\nmodel = timm.create_model({architecture['name']!r}{given})"


def load(spec: ModelSpec, mode: str | None) -> Model:
    """Load a timm model. `mode` is the value of --weights, or None where it was not given."""
    config = config_at(Path(spec.path) if spec.path else None)
    folder = spec.path is not None and Path(spec.path).is_dir()
    name, notes = current_name(str(config.architecture) if folder else spec.ident)
    found = find(spec, mode, name)
    if found.config:
        config = config_of(found.config, config.path)
    if not folder and config.architecture not in (None, name.split(".")[0], spec.ident):
        config = Config(config.path, config.raw, None, {}, config.pretrained)
    where = str(config.path) if folder else f"--model {spec.ident}"
    architecture = _architecture(name, config, spec.args, found, where)
    classes = architecture["num_classes"]
    if found.checkpoint is None:
        module = synthesize(lambda: made(architecture, where))
    else:
        module = made(architecture, where)
        notes += fill(module, found, architecture)
    if spec.path is None:
        notes += doubts(name, classes)
    notes += labels.of_another_number(config.labelled, classes, config.path.name)
    transform, how = preprocess_of(module, config, spec.preprocessing, f"--model {spec.public}")
    return Model(
        spec,
        module,
        architecture,
        transform,
        labels.of_config(config.labelled, classes, str(config.path)),
        Weights(sha256=tensors_sha256(module), synthetic=found.checkpoint is None, **found.about),
        scriptable=True,
        notes=(*notes, *found.notes, *how),
    )


def _architecture(
    name: str, config: Config, settings: Mapping[str, Any], found: Found, where: str
) -> dict[str, Any]:
    """What makes the module: the config's arguments, and the user's `settings` before them.

    The number of classes is that of the user, the checkpoint's head, the config or timm's registry.
    """
    import timm

    declared = timm.get_pretrained_cfg(name)
    args = {**config.args, **settings}
    reserved = inspect.signature(timm.create_model).parameters
    for key in args:
        if key in reserved or not key.isidentifier():
            raise UserError(f"{where}: {key} is no argument of a timm model that can be set")
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
        classes = (declared and declared.num_classes) or 1000
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
    names = (declared and declared.classifier) or ("head", "head.fc", "fc", "classifier")
    ends = tuple(f".{name}.weight" for name in ([names] if isinstance(names, str) else names))
    heads = [name for name in checkpoint.state if f".{name}".endswith(ends)]
    if not heads:
        return None
    name = min(heads, key=lambda name: name.count("."))  # a layer inside may be called like a head
    return int(checkpoint.state[name].shape[0])
