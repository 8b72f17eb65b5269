"""The photographs that variants are verified on, preprocessed for one model."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError, some
from vitbench.measure.images import changes_of
from vitbench.measure.photos import Photo, counted


@dataclass(frozen=True)
class Sample:
    """Photographs preprocessed for one model: `images` is float32 (N, 3, H, W).

    `labels` are class indices, or None where the folder names no classes of the model. `sha256`
    digests ids, images and labels; `files_sha256` ids and files, which preprocessing leaves alone.
    `remarks` are sentences on how the images were read that the user must see: what was left out,
    scaled, composited or not turned, and in which order classes were taken.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    labels: tuple[int, ...] | None
    images: NDArray[np.float32]
    source: str
    sha256: str
    files_sha256: str = ""
    remarks: tuple[str, ...] = ()

    @cached_property
    def pixels_sha256(self) -> str:
        """Of ids and of what reaches the model: files and preprocessing both decide it."""
        digest = hashlib.sha256(repr((self.ids, self.images.shape)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        return digest.hexdigest()

    @property
    def labels_sha256(self) -> str | None:
        """Of the images' classes; None where they are not known."""
        return hashlib.sha256(repr(self.labels).encode()).hexdigest() if self.labels else None


def make_sample(
    photos: Sequence[Photo],
    preprocess: Callable[[Image.Image], NDArray[np.float32]],
    class_labels: Mapping[str, int] | None,
    source: str,
    remarks: Sequence[str] = (),
    option: str = "--images",
) -> Sample:
    """Read and preprocess photographs. Raises UserError where one cannot be read or labelled.

    To `remarks` it adds what was done to the images of a folder (`option`) besides decoding.
    """
    labels = None
    if class_labels is not None:
        for photo in photos:
            if photo.folder is None:
                raise UserError(
                    f"{photo.id} lies beside the class folders of --images: "
                    "move it into one or remove it"
                )
        labels = tuple(class_labels[photo.folder] for photo in photos if photo.folder is not None)
    arrays, changes = [], defaultdict[str, list[str]](list)
    for photo in photos:
        image = photo.read()
        arrays.append(preprocess(image))
        for change in changes_of(image) if not photo.cut else ():
            changes[change].append(photo.id)
    images = np.stack(arrays).astype(np.float32, copy=False)
    ids = tuple(photo.id for photo in photos)
    digest = hashlib.sha256(repr((ids, labels, images.shape)).encode())
    digest.update(np.ascontiguousarray(images).data)
    clusters = tuple(photo.cluster for photo in photos)
    files = hashlib.sha256(repr([(photo.id, photo.digest()) for photo in photos]).encode())
    done = [
        f"{option}: {len(names):,} of {counted(len(photos), 'image')}: {change} ({some(names)})"
        for change, names in changes.items()
    ]
    return Sample(
        ids,
        clusters,
        labels,
        images,
        source,
        sha256=digest.hexdigest(),
        files_sha256=files.hexdigest(),
        remarks=(*remarks, *done),
    )
