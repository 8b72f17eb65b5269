"""Which cases cannot be compared, because a file of base is not here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vitbench.case import Case
from vitbench.duet.base.side import Side
from vitbench.errors import Unavailable, UserError
from vitbench.runtimes import foreign
from vitbench.runtimes.base import Variant


def incomparable(cases: Sequence[Case], sides: Mapping[str, Side]) -> dict[str, str]:
    """A sentence for each case, by id, whose model or artifact a side does not have as its commit
    has it. What the user's own tree does not have, is a fault of head's."""
    return {
        case: why
        for name in ("head", "base")
        for case, why in _of_side(cases, name, sides[name]).items()
    }


def _of_side(cases: Sequence[Case], name: str, side: Side) -> dict[str, str]:
    options, lacking = side.options, side.lacking
    if options is None or lacking is None:
        return {}
    models = dict(side.models) | {
        spec.name: why
        for spec in options.models
        for path in (spec.path, spec.labels)
        if isinstance(path, str) and (why := lacking.get(Path(path).resolve()))
    }
    names = {case.variant for case in cases}
    rows = [row for row in options.project_variants if row.artifact and row.name in names]
    variants = {
        row.name: why for row in rows if (why := _no_artifact(row, name, side.tree, lacking))
    }
    found = {case.id: models.get(case.model) or variants.get(case.variant) for case in cases}
    return {name: why for name, why in found.items() if why}


def _no_artifact(row: Variant, side: str, tree: Path, lacking: Mapping[Path, str]) -> str | None:
    """Why a side's file of a variant is not here, or not all that belongs to the file."""
    path = Path(row.artifact or "")
    name = path.relative_to(tree).as_posix() if path.is_relative_to(tree) else path.name
    if why := lacking.get(path) or lacking.get(path.resolve()):
        return f"{why}; or give {_advice(row)}"
    if not path.is_file():
        return (
            f"{side} has no {name} for {row.name}, and git does not track it: give {_advice(row)}"
        )
    try:
        foreign.files(row)
    except Unavailable:  # what reads it is not installed, which each side says itself
        return None
    except UserError as error:
        return f"{side}'s {name} for {row.name} is not whole: {error}; or give {_advice(row)}"
    return None


def _advice(row: Variant) -> str:
    return (
        f'--base-artifact={row.name}=FILE, or in [tool.vitbench] prepare = "COMMAND", which '
        "builds it in each side's tree"
    )
