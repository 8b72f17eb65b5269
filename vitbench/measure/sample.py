"""The photographs that variants are verified on: crops that ship with scikit-image, or a folder."""

import hashlib
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vitbench.errors import UserError

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
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


class Labelled(Protocol):
    """A class of a model: an identifier and a name."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Photo:
    """One image, read only when it is needed.

    `cluster` is the photograph it is cut from: crops of one photograph are not independent.
    `folder` is the class folder it lies in, or None. `file` is what it is read from, `cut` how it
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
        data = self.file.read_bytes() if self.file else self.read().tobytes()
        return hashlib.sha256(data).hexdigest() + self.cut


@dataclass(frozen=True)
class Sample:
    """Photographs preprocessed for one model: `images` is float32 (N, 3, H, W).

    `labels` are class indices, or None where the folder names no classes of the model. `sha256`
    digests ids, images and labels; `files_sha256` ids and files, which preprocessing leaves alone.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    labels: tuple[int, ...] | None
    images: NDArray[np.float32]
    source: str
    sha256: str
    files_sha256: str = ""

    @cached_property
    def pixels_sha256(self) -> str:
        """Of ids and of what reaches the model: files and preprocessing both decide it."""
        digest = hashlib.sha256(repr((self.ids, self.images.shape)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        return digest.hexdigest()

    @property
    def labels_sha256(self) -> str | None:
        """Of the classes that the images are held to be of; None where they are not known."""
        return hashlib.sha256(repr(self.labels).encode()).hexdigest() if self.labels else None


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
    """At most `limit` images of a flat folder or a tree with a folder per class.

    Folders take turns, each in the order of its files' digests, so the choice is even and depends
    on names only. Raises UserError where there is no such folder or no image in it.
    """
    if not folder.exists():
        raise UserError(f"{option} {folder} does not exist: give a folder of images")
    if not folder.is_dir():
        raise UserError(f"{option} {folder} is not a folder: give the one that holds the images")
    groups: dict[str | None, list[str]] = defaultdict(list)
    for path in _image_files(folder, option):
        parts = path.relative_to(folder).parts
        groups[parts[0] if len(parts) > 1 else None].append("/".join(parts))
    turns = sorted(
        (turn, _digest(group or ""), name, group)
        for group, names in groups.items()
        for turn, name in enumerate(sorted(names, key=_digest))
    )
    if not turns:
        endings = " ".join(ENDINGS)
        raise UserError(f"{option} {folder} holds no images: give a folder with files {endings}")
    advice = f"repair it or remove it from the {option} folder"
    return [
        Photo(name, name, group, partial(read_image, folder / name, advice), folder / name)
        for _, _, name, group in turns[:limit]
    ]


def _image_files(folder: Path, option: str) -> Iterable[Path]:
    def refuse(error: OSError) -> None:
        raise UserError(
            f"{option}: cannot list {error.filename} ({error.strerror}): make it readable"
        )

    for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS:
                yield Path(root, name)


def _digest(text: str) -> bytes:
    return hashlib.sha256(os.fsencode(text)).digest()


def read_image(path: Path | str, advice: str = "give a readable image") -> Image.Image:
    """The RGB image of a file. Raises UserError that names the file and ends in the advice."""
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.convert("RGB")
    except FileNotFoundError:
        reason = "does not exist"
    except IsADirectoryError:
        reason = "is a folder, not an image"
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        reason = f"has more than {Image.MAX_IMAGE_PIXELS} pixels, as decompression bombs have"
    except UnidentifiedImageError:
        reason = "is not an image" if path.stat().st_size else "is empty"
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        reason = f"cannot be read ({error})"
    raise UserError(f"{path} {reason}: {advice}")


def class_indices(folders: Sequence[str], labels: Sequence[Labelled]) -> dict[str, int] | None:
    """The class index of each folder, by a label's id, its name, or the index itself.

    Case, spaces and underscores of names do not matter, and any one of a name's comma-separated
    synonyms will do. None where no folder names a class. Raises UserError, naming a folder, where
    only some do or where a name stands for several classes.
    """
    ids = {label.id: index for index, label in enumerate(labels)}
    names: dict[str, set[int]] = defaultdict(set)
    for index, label in enumerate(labels):
        for name in (label.name, *label.name.split(",")):
            names[_plain(name)].add(index)
    found = {name: {ids[name]} if name in ids else names.get(_plain(name)) for name in folders}
    unknown = [name for name in folders if not found[name]]
    if unknown and all(name.isascii() and name.isdigit() for name in folders):
        numbers = {name: int(name) for name in folders}
        if max(numbers.values()) < len(labels):
            return numbers
    if len(unknown) == len(folders):
        return None
    if unknown:
        raise UserError(
            f"--images: folder {unknown[0]!r} is no class of the model, though other folders are: "
            "rename it to a class or remove it"
        )
    indices = {}
    for name, several in found.items():
        if several is None or len(several) != 1:
            raise UserError(
                f"--images: folder {name!r} is the name of several classes of the model: "
                "name it by the class's id"
            )
        (indices[name],) = several
    return indices


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def make_sample(
    photos: Sequence[Photo],
    preprocess: Callable[[Image.Image], NDArray[np.float32]],
    class_labels: Mapping[str, int] | None,
    source: str,
) -> Sample:
    """Read and preprocess photographs. Raises UserError for one that cannot be read or labelled."""
    labels = None
    if class_labels is not None:
        for photo in photos:
            if photo.folder is None:
                raise UserError(
                    f"{photo.id} lies beside the class folders of --images: "
                    "move it into one or remove it"
                )
        labels = tuple(class_labels[photo.folder] for photo in photos if photo.folder is not None)
    images = np.stack([preprocess(photo.read()) for photo in photos]).astype(np.float32, copy=False)
    ids = tuple(photo.id for photo in photos)
    digest = hashlib.sha256(repr((ids, labels, images.shape)).encode())
    digest.update(np.ascontiguousarray(images).data)
    clusters = tuple(photo.cluster for photo in photos)
    files = hashlib.sha256(repr([(photo.id, photo.digest()) for photo in photos]).encode())
    return Sample(ids, clusters, labels, images, source, digest.hexdigest(), files.hexdigest())
