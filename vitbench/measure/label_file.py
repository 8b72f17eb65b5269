"""A file of labels beside a flat folder: a name and a class on each line."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from vitbench.errors import UserError, counted, some
from vitbench.lfs import require_content
from vitbench.measure.folder import Listing

OPTION = "--labels"
CLASS_COLUMNS = frozenset(
    {
        "class",
        "classes",
        "class_id",
        "classid",
        "label",
        "labels",
        "label_id",
        "target",
        "wnid",
        "synset",
        "category",
        "predictionstring",
        "y",
    }
)


def labelled(listing: Listing, path: Path) -> Listing:
    """The listing with the classes that a file gives its images, in the file's own words.

    A line is a name and a class, parted by commas, semicolons, tabs or blanks; a header and further
    columns may be there. A name is that of an image below the folder, with or without its ending
    and its folders. A file of one column names the class of each image in the order of their names,
    as ILSVRC's ground truth does. Images without a class are left out; they and names without
    an image are counted in the remarks. Raises UserError, naming the file, where it cannot be read
    or no line of it fits.
    """
    images = sorted(name for names in listing.groups.values() for name in names)
    lines = _lines(path)
    if all(len(line.split()) == 1 and not set(line) & set(",;") for _, line in lines):
        classes, unknown, remarks = _in_order(lines, images, path)
    else:
        classes, unknown, remarks = _by_name(lines, images, path)
    missing = [name for name in images if name not in classes]
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        remarks.append(
            f"{OPTION}: {counted(len(missing), 'image')} {verb} no line in {path.name} and "
            f"{'is' if len(missing) == 1 else 'are'} left out: {some(missing)}"
        )
    if unknown:
        names = "name" if len(unknown) == 1 else "names"
        remarks.append(
            f"{OPTION}: {len(unknown):,} {names} in {path.name} without an image in the folder: "
            f"{some(unknown)}"
        )
    groups = {
        group: kept
        for group, names in listing.groups.items()
        if (kept := [name for name in names if name in classes])
    }
    return replace(listing, groups=groups, classes=classes, remarks=(*listing.remarks, *remarks))


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a file that say something, numbered from 1."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        require_content(path, "labels", f"{OPTION} {path}")
    except OSError as error:
        raise UserError(f"{OPTION} {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{OPTION} {path}: is no text in UTF-8: save it so") from error
    numbered = enumerate(text.splitlines(), 1)
    found = [(at, line) for at, line in numbered if line.strip() and line.lstrip()[0] != "#"]
    if not found:
        raise UserError(f"{OPTION} {path}: has no lines: give a name and a class on each")
    return found


def _cells(line: str, mark: str | None, known: Mapping[str, str]) -> list[str]:
    """A line parted by a mark, or by the blank after the name that it begins with (None)."""
    if mark:
        try:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=mark))]
        except (csv.Error, StopIteration):
            return [line]
    words = line.split()
    for count in range(1, len(words)):
        if _find(name := " ".join(words[:count]), known):
            return [name, " ".join(words[count:])]
    return [words[0], " ".join(words[1:])]


def _in_order(
    lines: Sequence[tuple[int, str]], images: Sequence[str], path: Path
) -> tuple[dict[str, str], list[str], list[str]]:
    if len(lines) != len(images):
        raise UserError(
            f"{OPTION} {path}: {counted(len(lines), 'line')} of one column for "
            f"{counted(len(images), 'image')}: give a name and a class on each line"
        )
    classes = {name: line.strip() for name, (_, line) in zip(images, lines, strict=True)}
    words = f"{OPTION}: {path.name} has one column: its lines are taken in the order of the names"
    if all(each.isdigit() for each in classes.values()):
        words += (
            ". The numbers of ILSVRC's own ground truth are not those of models: they count in "
            "the order of its meta.mat"
        )
    return classes, [], [words]


def _by_name(
    lines: Sequence[tuple[int, str]], images: Sequence[str], path: Path
) -> tuple[dict[str, str], list[str], list[str]]:
    known = _known(images)
    ways = [[_cells(line, mark, known) for _, line in lines] for mark in ("\t", ",", ";", None)]
    cells, named, at = max(
        ((way, *_columns(way, known)) for way in ways),
        key=lambda way: sum(
            _find(cells[way[1]], known) is not None for cells in way[0] if max(way[1:]) < len(cells)
        ),
    )
    _refuse_indicators(cells, known, named, at, path)
    classes: dict[str, str] = {}
    unknown: list[str] = []
    for (number, _), row in zip(lines, cells, strict=True):
        name = row[named] if named < len(row) else row[0]
        image, text = _find(name, known), _class(row[at]) if at < len(row) else ""
        if image is None:
            if number != lines[0][0] or not _is_header(row):
                unknown.append(name)
        elif not text:
            raise UserError(f"{OPTION} {path}: line {number} has no class: give NAME and CLASS")
        elif classes.setdefault(image, text) != text:
            raise UserError(
                f"{OPTION} {path}: line {number}: {name} is {text!r} here and {classes[image]!r} "
                "before: leave one of them"
            )
    if not classes:
        raise UserError(
            f"{OPTION} {path}: none of its {counted(len(lines), 'line')} names an image of "
            f"--images, such as {images[0]}: give a name and a class on each line"
        )
    return classes, unknown, []


def _columns(rows: Sequence[Sequence[str]], known: Mapping[str, str]) -> tuple[int, int]:
    """Which columns have the name and the class: the one that names most images; of the others the
    one with a known title, else the one after the name, or before it where it is the last."""
    hits = Counter(
        at for cells in rows[:1000] for at, cell in enumerate(cells) if _find(cell, known)
    )
    named = max(hits, key=lambda at: (hits[at], -at)) if hits else 0
    titled = [at for at, title in enumerate(rows[0]) if title.lower() in CLASS_COLUMNS]
    titled = [at for at in titled if at != named]
    last = max(map(len, rows)) - 1
    return named, titled[0] if titled else named + 1 if named < last or not named else named - 1


def _refuse_indicators(
    rows: Sequence[Sequence[str]], known: Mapping[str, str], named: int, at: int, path: Path
) -> None:
    """Raises UserError where each class has a column of 0 and 1, as sets of several labels have."""
    others = [
        [cell for place, cell in enumerate(row) if place != named]
        for row in rows
        if named < len(row) and _find(row[named], known)
    ]
    titled = at < len(rows[0]) and rows[0][at].lower() in CLASS_COLUMNS
    if (
        others
        and not titled
        and all(len(row) > 1 and set(row) <= {"0", "1", "0.0", "1.0"} for row in others)
    ):
        raise UserError(
            f"{OPTION} {path}: has several columns of 0 and 1, as if each class had one: give a "
            "name and a class on each line"
        )


def _class(text: str) -> str:
    """The class in a cell: of Kaggle's "n01440764 85 1 499 272" the first word; of a number that
    pandas wrote as a float the whole number."""
    if re.fullmatch(r"\d+\.0", text):
        return text[:-2]
    words = text.split()
    return words[0] if len(words) > 1 and words[1].isdigit() else text


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a first line that names no image has titles: none has a digit or an ending."""
    return any(cell.lower() in CLASS_COLUMNS for cell in cells) or not any(
        char.isdigit() or char == "." for cell in cells for char in cell
    )


def _known(images: Sequence[str]) -> dict[str, str]:
    """The image that each way of writing a name means; not a way that means several."""
    found: dict[str, set[str]] = defaultdict(set)
    for image in images:
        path = PurePosixPath(image)
        for way in (path.name, path.stem, str(path.with_suffix(""))):
            found[way].add(image)
    few = {way: next(iter(those)) for way, those in found.items() if len(those) == 1}
    return few | {image: image for image in images}


def _find(name: str, known: Mapping[str, str]) -> str | None:
    """The image that a name means; of a path its last part will do."""
    text = name.strip().replace("\\", "/").removeprefix("./")
    return known.get(text) or known.get(text.rpartition("/")[2])
