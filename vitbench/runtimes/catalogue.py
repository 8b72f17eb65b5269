"""Which cases there are: the variants that globs select, and what is declared to be installed."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from packaging.requirements import Requirement

from vitbench.case import Case
from vitbench.environment import installed
from vitbench.errors import Unavailable, UserError, near
from vitbench.place import install
from vitbench.runtimes import variant
from vitbench.runtimes.base import Variant
from vitbench.runtimes.registry import RUNTIMES
from vitbench.runtimes.variants import VARIANTS

# On every machine with the same bundled weights: short, real and comparable.
DEFAULT_MODEL = "deit_tiny_patch16_224"


def select(globs: Sequence[str], reference: str) -> tuple[Variant, ...]:
    """The variants that any glob matches, in the order of the table, the reference always first.

    No glob selects all. Raises UserError for a glob that matches none and an unknown reference.
    """
    names = [row.name for row in VARIANTS]
    if reference not in names:
        raise UserError(f"--reference {reference}: {no_variant(reference)}")
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise UserError(f"--variant {glob}: {no_variant(glob)}")
    chosen = [
        row
        for row in VARIANTS
        if row.name == reference or not globs or any(fnmatchcase(row.name, g) for g in globs)
    ]
    return tuple(sorted(chosen, key=lambda row: row.name != reference))


def no_variant(name: str) -> str:
    """What is said of a name or a glob of no variant, with the nearest names."""
    names = (row.name for row in VARIANTS)
    return f"no such variant: {near(name, names)}; `vitbench list` shows all"


def cases(
    models: Sequence[str],
    variants: Sequence[Variant],
    devices: Sequence[str],
    batches: Sequence[int],
) -> list[Case]:
    """Every combination once, grouped by model, device and batch. A variant made for one kind of
    device is on that kind where the run has it, else it is there once, to say why it is
    unavailable."""
    found = []
    for model in models:
        for device in devices:
            for batch in batches:
                for row in variants:
                    suits = [d for d in devices if d.split(":")[0] in row.devices]
                    if device in (suits or devices[:1]):
                        found.append(Case(model, row.name, device, batch))
    return list(dict.fromkeys(found))


def device_kinds() -> dict[str, tuple[str, ...]]:
    """The name of each variant of the table, and the kinds of device that it is made for."""
    return {row.name: row.devices for row in VARIANTS}


def declared(row: Variant) -> str | None:
    """Why the installed packages rule a variant out, or None where they do not. Imports nothing.

    `vitbench list` and every run ask here, so that both say the same.
    """
    for text in ("torch", *row.requires):  # torch is what every model is made with
        requirement = Requirement(text)
        name, found = requirement.name, installed(requirement.name)
        if found is None:
            extra = "suite" if name == "torch" else "runtimes"
            return f"{name} is not installed ({install(extra)})"
        if not requirement.specifier.contains(found, prereleases=True):
            return f"{name} {found} is installed; {row.name} needs {requirement}"
    return None


def require(case: Case) -> Variant:
    """The variant of a case. Raises Unavailable, with the reason, where it cannot run here."""
    recipe = variant(case.variant)
    if reason := declared(recipe):
        raise Unavailable(reason)
    runtime = RUNTIMES[recipe.runtime]
    runtime.version()
    runtime.supports(recipe, case.device)
    return recipe
