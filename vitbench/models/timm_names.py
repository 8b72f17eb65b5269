"""Names of timm's registry: what they are called today, and whether their outputs are classes."""

from difflib import get_close_matches

from vitbench.errors import UserError

EMBEDDINGS = (512, 640, 768, 1024, 1152, 1280)  # widths of CLIP's and its like in timm's registry


def current_name(name: str, where: str) -> tuple[str, tuple[str, ...]]:
    """timm's present name of a model that it knows, with a sentence where it was renamed.

    Raises UserError, which begins with `where`, for any other.
    """
    import timm
    from timm.models._registry import get_deprecated_models

    bare = name.split(".")[0]
    renamed = get_deprecated_models()
    if bare in renamed:
        if renamed[bare] is None:
            raise UserError(f"{where}: timm has removed {name} and names no other")
        if bare == name:
            return renamed[bare], (f"timm calls {name} {renamed[bare]} today",)
    if not timm.is_model(bare):
        near = get_close_matches(name, timm.list_models(), n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() names them"
        hint += "; `vitbench list` names the models of a project"
        raise UserError(f"{where}: timm has no model {name}; {hint}")
    tags = timm.list_pretrained(f"{bare}.*")
    if "." in name and name not in tags:
        known = ", ".join(tags) or (f"{renamed[bare]}" if bare in renamed else "none")
        raise UserError(f"{where}: timm has no {name}; it has {known}")
    return name, ()


def head_of(name: str, classes: int, named: bool) -> tuple[str, tuple[str, ...]]:
    """A model's head, and a sentence where timm's own outputs are no classes: it has many models
    for embeddings. `named`: the weights are timm's, and not a file's."""
    import timm

    if classes == 0:
        return "embedding", ()
    declared = timm.get_pretrained_cfg(name)
    if not named or declared is None or declared.num_classes not in (0, classes):
        return "single-label", ()
    if declared.num_classes == 0:
        return "single-label", (f"timm's {name} has no head: the {classes} classes are made up",)
    if classes in EMBEDDINGS:
        return "embedding", (
            f"the {classes} outputs of {name} are taken for an embedding, as timm's own are",
        )
    return "single-label", ()
