"""Class folders, and classes of a file of labels, to the class indices of a model."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from vitbench.errors import UserError

_JOINED = re.compile(r"_|(?<=\w)-(?=\w)")  # instead of a space in the name of a folder
NUMBERS, FROM_ONE, TEXT = "as class indices", "as numbers from 1", "in the order of their text"


class Labelled(Protocol):
    """A class of a model: an identifier and a name."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


def class_indices(
    folders: Sequence[str], labels: Sequence[Labelled], option: str = "--images"
) -> dict[str, int] | None:
    """The class index of each folder, by a label's id, its name, or the index itself.

    Case, spaces, hyphens and underscores of names do not matter, and any one of a name's
    comma-separated synonyms will do. Numbers that only counting from 1 fits are taken so. None
    where no folder names a class. Raises UserError, naming a folder, where only some do or where a
    name is that of several classes.
    """
    what = "class" if option == "--labels" else "folder"
    ids = {label.id: index for index, label in enumerate(labels)}
    names: dict[str, set[int]] = defaultdict(set)
    for index, label in enumerate(labels):
        for name in (label.name, *label.name.split(",")):
            names[_plain(name)].add(index)
    found = {name: {ids[name]} if name in ids else names.get(_plain(name)) for name in folders}
    unknown = [name for name in folders if not found[name]]
    if unknown and (numbers := orders(folders, len(labels))):
        for order in (NUMBERS, FROM_ONE):
            if order in numbers:
                return numbers[order]
    if len(unknown) == len(folders):
        return None
    if unknown:
        raise UserError(
            f"{option}: {what} {unknown[0]!r} is no class of the model, though others are: "
            "rename it to a class or remove it"
        )
    indices = {}
    for name, several in found.items():
        if several is None or len(several) != 1:
            raise UserError(
                f"{option}: {what} {name!r} is the name of several classes of the model: "
                "name it by the class's id"
            )
        (indices[name],) = several
    return indices


def orders(folders: Sequence[str], count: int) -> dict[str, dict[str, int]]:
    """By name of an order, the class index of each folder in it, for a model of `count` classes.

    NUMBERS and FROM_ONE: what a folder's number says. TEXT: the place among all names as texts, as
    torchvision's ImageFolder and timm count: 0, 1, 10, 11, 2. It needs a folder of each class, or
    names that are plain numbers. Only orders that give each folder a class of the model.
    """
    found, names = {}, sorted(set(folders))
    numeric = bool(names) and all(name.isascii() and name.isdigit() for name in names)
    everyone = names if len(names) == count else []
    if numeric:
        values = {name: int(name) for name in names}
        least, most = min(values.values()), max(values.values())
        if most < count:
            found[NUMBERS] = values
        if least > 0 and most <= count:
            found[FROM_ONE] = {name: value - 1 for name, value in values.items()}
        if not everyone and all(name == str(value) for name, value in values.items()):
            first = 0 if most < count else 1
            everyone = sorted(map(str, range(first, first + count)))
    if set(names) <= set(everyone):
        places = {name: place for place, name in enumerate(everyone)}
        found[TEXT] = {name: places[name] for name in names}
    return found


def order_taken(
    indices: Mapping[str, int], labels: Sequence[Labelled], option: str = "--images"
) -> tuple[str, ...]:
    """A sentence on how folders that are numbers were taken; nothing where they name classes."""
    own = {label.id for label in labels} | {_plain(label.name) for label in labels}
    own -= {str(index) for index, label in enumerate(labels) if label.id == str(index)}
    if not all(name.isascii() and name.isdigit() for name in indices) or set(indices) <= own:
        return ()
    known = orders(list(indices), len(labels))
    taken = next((order for order in (NUMBERS, FROM_ONE) if known.get(order) == indices), "")
    if not taken:
        return ()
    what = "classes of the file" if option == "--labels" else "class folders"
    words = f"{option}: the numbers that name the {what} are taken {taken}"
    other = known.get(TEXT)
    name = next((name for name in indices if other and other[name] != indices[name]), None)
    if name and other:
        words += (
            f": {name} is class {indices[name]}. In the order of their text, as torchvision's "
            f"ImageFolder counts, it were class {other[name]}"
        )
    return (words,)


def _plain(name: str) -> str:
    return " ".join(_JOINED.sub(" ", name).casefold().split())
