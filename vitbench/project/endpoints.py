"""`--endpoint=[NAME=]URL[,KEY=VALUE...]`: servers that run already, as variants of a project."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vitbench.environment import as_named
from vitbench.errors import UserError
from vitbench.project.project import Project
from vitbench.project.values import Definition
from vitbench.project.variants import ENDPOINT, variant_of
from vitbench.runtimes.base import Variant
from vitbench.runtimes.endpoint.address import address_of

OPTION = "--endpoint"
KEYS = ("limits", "precision", "model")


def with_endpoints(project: Project, texts: Sequence[str], models: Sequence[str]) -> Project:
    """The project, with a variant for each value of the option. `models` are those of the run.

    Raises UserError for a value that cannot be meant, and for a name that two of them have.
    """
    rows: list[Variant] = []
    for text in texts:
        row = _variant(text, models)
        if row.name in {other.name for other in (*project.variants, *rows)}:
            raise UserError(
                f"{OPTION}={text}: there is a variant {row.name!r} already: write "
                f"{OPTION}=NAME={row.options['url']}"
            )
        rows.append(row)
    return replace(project, variants=(*project.variants, *rows)) if rows else project


def names_of(texts: Sequence[str]) -> list[str]:
    """The names of the variants of these values."""
    return [_named(text)[0] for text in texts]


def _variant(text: str, models: Sequence[str]) -> Variant:
    name, url, more = _named(text)
    where = f"{OPTION}={text}"
    given: dict[str, object] = {"runtime": ENDPOINT, "options": {"url": url}}
    for part in more:
        key, equals, value = part.partition("=")
        if not equals or key not in KEYS:
            raise UserError(f"{where}: {part!r} is none of {', '.join(f'{k}=' for k in KEYS)}")
        given[key] = value
    address_of(url)
    row = Definition.of("server", name, given, lambda *_: where)
    return replace(variant_of(row, Path(), models, as_named), origin=OPTION)


def _named(text: str) -> tuple[str, str, list[str]]:
    """The name, the URL, and what follows after commas."""
    first, *more = text.strip().split(",")
    name, equals, url = first.partition("=")
    if first.startswith(("http://", "https://")) or not equals:
        name, url = ENDPOINT, first
    return name, url, more
