"""The images of a sample as a model takes them, made where they are asked for: flat in memory."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError
from vitbench.measure.images import changes_of
from vitbench.measure.photos import Photo
from vitbench.measure.spool import nameless

STORED_BYTES = 2 * 2**30
"""Of a sample: up to here its images are made once and lie on disk; of more, each is made again
whenever it is asked for."""
Facts = dict[str, Any]


class Preprocessed:
    """Images (N, C, H, W), float32, in the order of `photos`. Rows are arrays in memory.

    Up to `limit_bytes` an image that was made is kept in a temporary file in `folder`, which no
    name leads to and which goes with this object. A disk that has no room for it keeps nothing.
    `heads` begin the digests of `facts`. Raises UserError where a photograph cannot be read.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        preprocess: Callable[[Image.Image], NDArray[np.float32]],
        heads: Sequence[tuple[Any, ...]] = (),
        folder: Path | None = None,
        limit_bytes: int = STORED_BYTES,
    ) -> None:
        self._photos, self._preprocess = photos, preprocess
        self._changes: dict[str, set[int]] = defaultdict(set)
        self._image: tuple[int, ...] = ()
        first = self._decoded(0)
        self._image, self._bytes = first.shape, first.nbytes
        self.shape = (len(photos), *first.shape)
        self.fits = len(photos) * first.nbytes <= limit_bytes
        self._file = nameless(folder, len(photos) * first.nbytes) if self.fits else None
        self._kept = bytearray(len(photos))
        self._keep(0, first)
        self._hashed = 0
        self._digests = [hashlib.sha256(repr((*head, self.shape)).encode()) for head in heads]

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """The images of a slice, or of these numbers."""
        chosen = range(len(self))[rows] if isinstance(rows, slice) else rows
        made = np.empty((len(chosen), *self._image), np.float32)
        for place, at in enumerate(chosen):
            self._fill(made[place], int(at))
        return made

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def facts(self) -> Facts:
        """`digests` of all pixels, each after its head, and `changes`: by what was done to images
        besides decoding, the ids of the images.

        They are taken while the images are read in their order, and else by reading them all.
        """
        image = np.empty(self._image, np.float32)
        for at in range(self._hashed, len(self)):
            self._fill(image, at)
        changes = {
            change: [self._photos[at].id for at in sorted(those)]
            for change, those in self._changes.items()
        }
        return {"digests": [each.hexdigest() for each in self._digests], "changes": changes}

    def _fill(self, image: NDArray[np.float32], at: int) -> None:
        if not self._read(image, at):
            image[...] = self._decoded(at)
            self._keep(at, image)
        if at == self._hashed:
            self._hashed += 1
            for digest in self._digests:
                digest.update(image.data)

    def _read(self, image: NDArray[np.float32], at: int) -> bool:
        """Whether the image was kept; then it is read."""
        if not (self._file and self._kept[at]):
            return False
        self._file.seek(at * self._bytes)
        return self._file.readinto(image.data.cast("B")) == self._bytes

    def _decoded(self, at: int) -> NDArray[np.float32]:
        photo = self._photos[at]
        image = photo.read()
        array = np.ascontiguousarray(self._preprocess(image), dtype=np.float32)
        if self._image and array.shape != self._image:
            raise UserError(
                f"the preprocessing makes {array.shape} of {photo.id} and {self._image} of "
                f"{self._photos[0].id}: a model takes images of one shape"
            )
        for change in changes_of(image) if not photo.cut else ():
            self._changes[change].add(at)
        return array

    def _keep(self, at: int, image: NDArray[np.float32]) -> None:
        if self._file:
            try:
                self._file.seek(at * self._bytes)
                self._kept[at] = self._file.write(image.data) == self._bytes
            except OSError:  # No room: images are made again from here.
                self._file = None


class SomeImages:
    """Some images of a sample, in an order of their own."""

    def __init__(self, whole: Preprocessed, rows: NDArray[np.intp]) -> None:
        self._whole, self._rows = whole, rows
        self.shape = (len(rows), *whole.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        return self._whole[self._rows[rows]]


Images: TypeAlias = NDArray[np.float32] | Preprocessed | SomeImages
"""(N, C, H, W). Whoever needs more than a few takes them batch by batch."""


def only(images: Images, rows: Sequence[int]) -> Images:
    """The images of these numbers alone."""
    if isinstance(images, Preprocessed):
        return SomeImages(images, np.asarray(rows, np.intp))
    return images[np.asarray(rows, np.intp)]


def wrapped(images: Images, start: int, count: int) -> NDArray[np.float32]:
    """So many images from `start` on; after the last comes the first."""
    return images[np.arange(start, start + count) % len(images)]
