"""Names of timm's registry: what they are called today, and whether their outputs are classes."""

from difflib import get_close_matches

from vitbench.errors import UserError

EMBEDDINGS = (512, 640, 768, 1024, 1152, 1280)  # widths of CLIP's and its like in timm's registry


def current_name(name: str) -> tuple[str, tuple[str, ...]]:
    """timm's present name of a model that it knows, with a sentence where it was renamed.

    Raises UserError for any other.
    """
    import timm
    from timm.models._registry import get_deprecated_models

    bare = name.split(".")[0]
    renamed = get_deprecated_models()
    if bare in renamed:
        if renamed[bare] is None:
            raise UserError(f"--model {name}: timm has removed this model and names no other")
        if bare == name:
            return renamed[bare], (f"timm calls {name} {renamed[bare]} today",)
    if not timm.is_model(bare):
        near = get_close_matches(name, timm.list_models(), n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() names them"
        raise UserError(f"--model {name}: timm has no such model; {hint}")
    tags = timm.list_pretrained(f"{bare}.*")
    if "." in name and name not in tags:
        known = ", ".join(tags) or (f"{renamed[bare]}" if bare in renamed else "none")
        raise UserError(f"--model {name}: timm has no such tag; it has {known}")
    return name, ()


def doubts(name: str, classes: int) -> tuple[str, ...]:
    """A sentence where timm's own outputs are no classes: it has many models for embeddings."""
    import timm

    declared = timm.get_pretrained_cfg(name)
    if declared and declared.num_classes == 0:
        return (f"timm's {name} has no head: the {classes} classes are made up",)
    if declared and declared.num_classes == classes and classes in EMBEDDINGS:
        return (f"the {classes} outputs of {name} are an embedding and no classes",)
    return ()
