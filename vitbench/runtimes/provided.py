"""Variants that installed packages bring, by the entry points `vitbench.variants`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from vitbench.case import SLUG
from vitbench.errors import UserError, near
from vitbench.packages import RUNTIMES as RUNTIME_GROUP
from vitbench.packages import VARIANTS as VARIANT_GROUP
from vitbench.packages import Provided, by_name, provided
from vitbench.runtimes.base import Variant
from vitbench.runtimes.registry import RUNTIMES
from vitbench.runtimes.takes import misfit
from vitbench.runtimes.variants import VARIANTS


@dataclass(frozen=True)
class Problem:
    """Why something of a package is left out. `name` is the variant's, None where it is unknown."""

    name: str | None
    sentence: str


@cache
def package_variants() -> tuple[tuple[Variant, ...], tuple[Problem, ...]]:
    """The variants of all packages, and what is left out of them. Imports the packages that have
    such an entry point, and nothing of others."""
    rows, problems = list[Variant](), list[Problem]()
    for each in provided(VARIANT_GROUP):
        try:
            made = tuple(_rows(each))
        except UserError as error:
            problems.append(Problem(None, str(error)))
            continue
        for row in made:
            if words := _unfit(row):
                problems.append(
                    Problem(row.name, f"{each.where}: the variant {row.name!r} {words}")
                )
            else:
                rows.append(row)
    counts = Counter(row.name for row in rows)
    for name in (name for name, count in counts.items() if count > 1):
        both = " and ".join(row.origin for row in rows if row.name == name)
        words = f"{both} have a variant {name!r}: uninstall one of the packages"
        problems.append(Problem(name, words))
    return tuple(row for row in rows if counts[row.name] == 1), tuple(problems)


def _rows(entry: Provided) -> Iterator[Variant]:
    """The variants of an entry point: one, a sequence, or what a function returns."""
    found = entry.load()
    if callable(found) and not isinstance(found, Variant | type):
        found = entry.call(found)
    every = [found] if isinstance(found, Variant) else found
    if not isinstance(every, Sequence) or not all(isinstance(row, Variant) for row in every):
        raise UserError(
            f"{entry.where}: {entry.value} gives {type(found).__name__}: it should be a Variant, a "
            "list of them, or a function that returns one of them"
        )
    yield from (replace(row, origin=entry.origin) for row in every)


def _unfit(row: Variant) -> str | None:
    """Why a row of a package can be no variant here."""
    known = (*RUNTIMES, *by_name(RUNTIME_GROUP, tuple(RUNTIMES))[0])
    if not SLUG.fullmatch(row.name):
        return "has a bad name: a name may hold letters, digits, '_', '.' and '-' only"
    if row.name in {own.name for own in VARIANTS}:
        return "has the name of one of vitbench's own: the package has to choose another"
    if row.runtime not in known:
        return f"names an unknown runtime {row.runtime!r}: {near(row.runtime, known)}"
    wrong = misfit(row)
    return f"cannot be built: {wrong[1]}" if wrong else None
