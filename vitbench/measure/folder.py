"""The images of a user's folder: which files are images, and which of them are chosen."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vitbench.errors import UserError, counted, some
from vitbench.measure.images import is_image, read_image
from vitbench.measure.photos import Photo

# Files with these endings are meant as images: where one cannot be read, it is refused.
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Raw files of cameras begin like a TIFF, in which Pillow finds the thumbnail.
RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2")
SYSTEM = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "icon\r"})


@dataclass(frozen=True)
class Listing:
    """The images of a folder. `groups` has their names by class folder, None for those that lie in
    none; `classes` the class of each name where a file of labels gives it; `remarks` sentences on
    what is left out."""

    folder: Path
    option: str
    groups: Mapping[str | None, Sequence[str]]
    remarks: tuple[str, ...] = ()
    classes: Mapping[str, str] | None = None


def folder_photos(folder: Path, limit: int, option: str = "--images") -> list[Photo]:
    """`chosen` of a folder that is listed for this alone."""
    return chosen(listed(folder, option), limit)


def listed(folder: Path, option: str = "--images", besides: Path | None = None) -> Listing:
    """The images of a flat folder, or of a tree with a folder per class, known by their content.

    `besides` is a file that may lie among them and is not named as left out. Raises UserError where
    there is no such folder or no image in it.
    """
    if not folder.exists():
        raise UserError(f"{option} {folder} does not exist: give a folder of images")
    if not folder.is_dir():
        raise UserError(f"{option} {folder} is not a folder: give the folder of the images")
    groups: dict[str | None, list[str]] = defaultdict(list)
    left_out: list[str] = []
    for path in _files(folder, option):
        parts = path.relative_to(folder).parts
        if _meant(path):
            groups[parts[0] if len(parts) > 1 else None].append("/".join(parts))
        elif besides is None or path.resolve() != besides.resolve():
            left_out.append("/".join(parts))
    remarks = _left_out(sorted(left_out), option)
    if not groups:
        endings, others = " ".join(ENDINGS), "".join(f" ({text})" for text in remarks)
        raise UserError(
            f"{option} {folder} has no images: give a folder with files {endings}{others}"
        )
    return Listing(folder, option, groups, remarks)


def _left_out(names: Sequence[str], option: str) -> tuple[str, ...]:
    if not names:
        return ()
    return (
        f"{option}: {counted(len(names), 'file')} that Pillow does not read as images "
        f"{'is' if len(names) == 1 else 'are'} left out: {some(names)}",
    )


def chosen(listing: Listing, limit: int, without: Collection[str] = ()) -> list[Photo]:
    """At most `limit` photographs of a folder, less those whose content digest is in `without`.

    Class folders take turns, each in the order of the digests of its files' names, so the choice
    is even and depends on names only. Files of one content are one photograph (`Photo.cluster`).
    """
    turns = sorted(
        (turn, _digest(group or ""), name, group)
        for group, names in listing.groups.items()
        for turn, name in enumerate(sorted(names, key=_digest))
    )
    advice, photos = f"repair it or remove it from the {listing.option} folder", []
    for _, _, name, group in turns:
        path = listing.folder / name
        folder = listing.classes[name] if listing.classes is not None else group
        photo = Photo(name, name, folder, partial(read_image, path, advice), path)
        content = photo.content()
        if content not in without:
            photos.append(replace(photo, cluster=content, sha256=content))
        if len(photos) == limit:
            break
    return photos


def _files(folder: Path, option: str) -> Iterator[Path]:
    """All files below a folder that a person put there. Links are followed, but not in circles."""

    def refuse(error: OSError) -> None:
        raise UserError(
            f"{option}: cannot list {error.filename} ({error.strerror}): make it readable"
        )

    for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        way = {Path(root).resolve(), *Path(root).resolve().parents}
        folders[:] = [name for name in _visible(folders) if Path(root, name).resolve() not in way]
        yield from (Path(root, name) for name in _visible(files))


def _visible(names: Iterable[str]) -> list[str]:
    return [name for name in names if name[0] != "." and name.lower() not in SYSTEM]


def _meant(path: Path) -> bool:
    """Whether a file is meant as an image, by its ending or by its content."""
    ending = path.suffix.lower()
    try:
        plain = stat.S_ISREG(path.stat().st_mode)
    except OSError:  # A link to nowhere.
        return ending in ENDINGS
    return plain and (ending in ENDINGS or (ending not in RAW and is_image(path)))


def _digest(text: str) -> bytes:
    return hashlib.sha256(os.fsencode(text)).digest()
