"""`--base-artifact=[VARIANT=]FILE`: base's file of a variant whose file git does not track."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vitbench import environment
from vitbench.errors import UserError, near
from vitbench.runtimes.base import Variant
from vitbench.runtimes.foreign import require_definition

OPTION = "--base-artifact"


def given_artifacts(
    texts: Sequence[str], rows: Sequence[Variant], start: Path
) -> Mapping[str, Path]:
    """The file of base for each variant that the option names. `rows` are head's variants; relative
    paths begin at `start`. A FILE without a name is that of the only variant with an artifact.

    Raises UserError for a file that is missing or that the variant's runtime does not read, and
    where the variant is unknown, unclear or named twice.
    """
    known = {row.name: row for row in rows if row.artifact}
    found = dict[str, Path]()
    for text in texts:
        name, file = _parted(text, known)
        path = environment.absolute(file, start, OPTION)
        if name in found:
            raise UserError(f"{OPTION}={text}: {name} has a file already: give one alone")
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise UserError(f"{OPTION}={text}: {file} {what}: give base's file of {name}")
        try:
            require_definition(replace(known[name], artifact=str(path)))
        except UserError as error:
            raise UserError(f"{OPTION}={text}: {error}") from error
        found[name] = path
    return found


def _parted(text: str, known: Iterable[str]) -> tuple[str, str]:
    names = list(known)
    name, equals, file = text.partition("=")
    if not names:
        raise UserError(f"{OPTION}={text}: no variant of the project has an artifact")
    if equals and name in names:
        return name, file
    if equals and "/" not in name:
        raise UserError(
            f"{OPTION}={text}: {name} is no variant with an artifact: {near(name, names)}"
        )
    if len(names) > 1:
        raise UserError(
            f"{OPTION}={text}: several variants have an artifact: write one of "
            f"{', '.join(f'{each}=FILE' for each in names)}"
        )
    return names[0], text


def with_artifacts(
    rows: Sequence[Variant], heads: Sequence[Variant], given: Mapping[str, Path]
) -> tuple[Variant, ...]:
    """Base's variants with these files. A variant that base does not have is head's, then."""
    found = {row.name: row for row in heads if row.name in given}
    found |= {row.name: row for row in rows}
    return tuple(
        replace(row, artifact=str(given[name])) if name in given else row
        for name, row in found.items()
    )


def artifact_notes(given: Mapping[str, Path]) -> tuple[str, ...]:
    return tuple(f"base's file of {name} is {path.name}" for name, path in given.items())
