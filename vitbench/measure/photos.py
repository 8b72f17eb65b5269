"""Photographs by name: crops of those that ship with scikit-image, or the images of a folder."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from vitbench.errors import UserError
from vitbench.measure.images import is_image, read_image

# A file with one of these is meant as an image: one that cannot be read is refused, not left out.
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Raw files of cameras begin like a TIFF, in which Pillow finds the thumbnail.
RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2")
SYSTEM = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "icon\r"})
SHIPPED = (  # the colour photographs inside scikit-image's wheel: no download
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "ihc.png",
    "retina.jpg",
    "motorcycle_left.png",
)
UNSEEN = (  # others in that wheel, which no variant is judged on by default: for calibration
    "brick.png",
    "camera.png",
    "cell.png",
    "coins.png",
    "color.png",
    "grass.png",
    "gravel.png",
    "microaneurysms.png",
    "moon.png",
    "page.png",
    "text.png",
)
STEPS = np.array([5**0.5 / 2 + 0.5, 2**0.5, 3**0.5, 7**0.5])  # multiples, mod 1, spread evenly
NAMED = 3  # files that a remark names


@dataclass(frozen=True)
class Photo:
    """One image, read only when it is needed.

    `cluster` is the photograph it is cut from: crops of one photograph are not independent.
    `folder` is the class folder it lies in, or the class that a file of labels gives it, or None.
    `file` is what it is read from, `cut` how it
    is cut from that, in words.
    """

    id: str
    cluster: str
    folder: str | None
    read: Callable[[], Image.Image]
    file: Path | None = None
    cut: str = ""

    def digest(self) -> str:
        """Of the file as it lies there, whatever decodes it; of the decoded image without one."""
        return self.content() + self.cut

    def content(self) -> str:
        """The digest without the cut: crops of one file share it."""
        data = self.file.read_bytes() if self.file else self.read().tobytes()
        return hashlib.sha256(data).hexdigest()


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


def default_photos(count: int = 256) -> list[Photo]:
    """`count` crops of the colour photographs that scikit-image ships."""
    return _crops(SHIPPED, count)


def calibration_photos(count: int) -> list[Photo]:
    """`count` crops of other images of scikit-image's, most of them grey."""
    return _crops(UNSEEN, count)


def _crops(names: Sequence[str], count: int) -> list[Photo]:
    """`count` square crops, 0.4 to 1.0 of the short side, about half of them mirrored.

    Photographs take turns. Sizes and places follow a low-discrepancy sequence, so that any number
    of crops is spread evenly and fewer crops are the first of more.
    """
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError("scikit-image is not installed: install it, or give --images FOLDER")
    data, photos = Path(package.origin).parent / "data", []
    for number in range(count):
        turn, which = divmod(number, len(names))
        path = data / names[which]
        start = np.random.default_rng([2024, which]).random(4)
        size, x, y, mirror = (start + turn * STEPS) % 1
        crop = partial(_crop, path, 0.4 + 0.6 * size, x, y, mirror < 0.5)
        cut = f"{size:.6f} {x:.6f} {y:.6f} {mirror < 0.5}"
        photos.append(Photo(f"{path.stem}-{turn:03d}", path.stem, None, crop, path, cut))
    return photos


@lru_cache(maxsize=len(SHIPPED + UNSEEN))
def _whole(path: Path) -> Image.Image:
    return read_image(path, "give --images FOLDER")


def _crop(path: Path, size: float, x: float, y: float, mirrored: bool) -> Image.Image:
    whole = _whole(path)
    side = round(size * min(whole.size))
    left, top = round(x * (whole.width - side)), round(y * (whole.height - side))
    crop = whole.crop((left, top, left + side, top + side))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else crop


def folder_photos(folder: Path, limit: int, option: str = "--images") -> list[Photo]:
    """`chosen` of a folder that is listed for this alone."""
    return chosen(listed(folder, option), limit)


def listed(folder: Path, option: str = "--images", besides: Path | None = None) -> Listing:
    """The images of a flat folder or of a tree with a folder per class, told by their content.

    `besides` is a file that may lie among them and is not named as left out. Raises UserError where
    there is no such folder or no image in it.
    """
    if not folder.exists():
        raise UserError(f"{option} {folder} does not exist: give a folder of images")
    if not folder.is_dir():
        raise UserError(f"{option} {folder} is not a folder: give the one that holds the images")
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
            f"{option} {folder} holds no images: give a folder with files {endings}{others}"
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
    is even and depends on names only.
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
        if not (without and photo.content() in without):
            photos.append(photo)
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


def counted(count: int, noun: str) -> str:
    """ "1 image" or "3 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def some(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
