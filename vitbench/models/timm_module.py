"""A module of timm and the weights in it: as saved, or as timm adapts them."""

from collections.abc import Mapping
from typing import Any

from vitbench.errors import UserError
from vitbench.models.checkpoint import Checkpoint, load_strictly, matched, unwrapped
from vitbench.models.timm_files import Found
from vitbench.models.weights import first_line


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """The bare module; its weights mean nothing."""
    import timm

    return timm.create_model(architecture["name"], **arguments(architecture))


def arguments(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Of timm.create_model: `args` are the model's own, `pretrained_cfg` what timm derives the
    size of images from where a config says another one than timm's registry."""
    given = {"num_classes": architecture["num_classes"], **architecture.get("args", {})}
    if "pretrained_cfg" in architecture:
        given["pretrained_cfg"] = dict(architecture["pretrained_cfg"])
    return given


def made(architecture: Mapping[str, Any], where: str) -> Any:
    try:
        module = skeleton(architecture)
    except Exception as error:  # whatever an argument leads timm to
        args = ", ".join(f"{k}={v!r}" for k, v in architecture.get("args", {}).items())
        raise UserError(
            f"{where}: timm cannot make {architecture['name']} with {args or 'its config'}: "
            f"{first_line(error)}"
        ) from error
    if getattr(module, "num_classes", None) != architecture["num_classes"]:
        raise UserError(f"{where}: {architecture['name']} is made without a head for classes")
    return module


def check_head(classes: Any, where: str) -> None:
    """Raises UserError unless it is a number of classes, or 0 for none."""
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 0:
        raise UserError(f"{where}: num_classes is {classes!r}, which is no number of classes")


def heads_in(checkpoint: Checkpoint, declared: Any) -> list[str]:
    """The tensors of the classifier, by timm's names of it, which may have a prefix; `declared` is
    timm's pretrained_cfg of the architecture, or None."""
    names = (declared and declared.classifier) or ("head", "head.fc", "fc", "classifier")
    names = [names] if isinstance(names, str) else names
    ends = tuple(f".{name}.{kind}" for name in names for kind in ("weight", "bias"))
    return [name for name in checkpoint.state if f".{name}".endswith(ends)]


def fill(module: Any, found: Found, architecture: Mapping[str, Any]) -> tuple[str, ...]:
    """Load a checkpoint into its module; what was stripped, left out or adapted, in sentences.

    A folder's and timm's own weights that do not fit as they are go through timm's conversion of
    older files, which also resizes positions, as timm.create_model does. Raises UserError for what
    does not fit, and where the head alone is missing says so.
    """
    given = found.checkpoint
    assert given is not None
    if architecture["num_classes"] == 0:
        given = _headless(given, module, architecture, found.file.name)
    try:
        checkpoint = matched(given, module.state_dict(), found.file)
        load_strictly(module, checkpoint.state, found.file)
        return checkpoint.notes
    except UserError as error:
        if any("patch_embeddings.projection" in name for name in given.state):
            raise UserError(
                f"{found.file} has transformers' names of tensors and not timm's: give the folder "
                "that save_pretrained wrote, with its config.json"
            ) from None
        if _is_headless(found, architecture):
            raise UserError(
                f"{found.file} has no head: its model answers with features and not with classes; "
                "give num_classes = 0 for an embedding, or a model with a classifier"
            ) from None
        state = _adapted(given, architecture) if found.adaptable else None
        if state is None:
            raise error from None
    load_strictly(module, state, found.file)
    others = [
        name
        for name, each in state.items()
        if name not in given.state or given.state[name].shape != each.shape
    ]
    example = f", such as {others[0]}" if others else ""
    note = f"timm has adapted {found.file.name}: {len(others)} tensors are renamed or resized"
    return (*given.notes, note + example)


def _headless(
    given: Checkpoint, module: Any, architecture: Mapping[str, Any], file: str
) -> Checkpoint:
    """A checkpoint without the classifier that the module has not, and a sentence on it."""
    import timm

    own, declared = module.state_dict(), timm.get_pretrained_cfg(architecture["name"])
    heads = [name for name in heads_in(given, declared) if unwrapped(name) not in own]
    if not heads:
        return given
    state = {name: each for name, each in given.state.items() if name not in heads}
    note = f"the classifier of {file} is left out: {', '.join(heads)}"
    return Checkpoint(state, (*given.notes, note))


def _is_headless(found: Found, architecture: Mapping[str, Any]) -> bool:
    assert found.checkpoint is not None
    try:
        bare = skeleton({**architecture, "num_classes": 0})
        load_strictly(
            bare, matched(found.checkpoint, bare.state_dict(), found.file).state, found.file
        )
    except Exception:  # timm's, or what does not fit without a head either
        return False
    return True


def _adapted(checkpoint: Checkpoint, architecture: Mapping[str, Any]) -> dict[str, Any] | None:
    """The tensors that timm makes of a checkpoint; None where it cannot."""
    import timm

    declared = timm.get_pretrained_cfg(architecture["name"])
    config = declared.to_dict(remove_source=True) if declared else {}
    config |= architecture.get("pretrained_cfg", {})
    config |= {"num_classes": architecture["num_classes"], "custom_load": False}
    config["state_dict"] = {unwrapped(name): each for name, each in checkpoint.state.items()}
    given = {**arguments(architecture), "pretrained_cfg": config}
    try:
        module = timm.create_model(architecture["name"].split(".")[0], pretrained=True, **given)
    except Exception:  # whatever a checkpoint of something else leads timm to
        return None
    return {
        name: each.float() if each.is_floating_point() else each
        for name, each in module.state_dict().items()
    }
