"""The photographs that variants are verified on, preprocessed for one model."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vitbench.build import identity
from vitbench.build.artifacts import PIXELS, ArtifactCache
from vitbench.build.entry import key
from vitbench.errors import UserError, counted, some
from vitbench.measure.photos import Photo
from vitbench.measure.preprocessed import STORED_BYTES, Facts, Images, Preprocessed
from vitbench.models.preprocess import Preprocess


@dataclass(frozen=True)
class Sample:
    """Photographs preprocessed for one model.

    `labels` are class indices, or None where the folder names no classes of the model. `key` stands
    for ids, labels and images in the cache, and needs no image to be made. `files_sha256` digests
    ids and files, which preprocessing leaves alone. `seen` are the facts of `Preprocessed`, which
    may take as long as making all images; `early` says that they are known already. `notes` are
    sentences that the user must see: what was left out, in which order classes were taken. `option`
    names what gave the images.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    labels: tuple[int, ...] | None
    images: Images
    source: str
    key: str
    files_sha256: str = ""
    notes: tuple[str, ...] = ()
    option: str = "--images"
    seen: Callable[[], Facts] | None = None
    early: bool = True

    @cached_property
    def _facts(self) -> Facts:
        if self.seen is not None:
            return self.seen()
        digests = [hashlib.sha256(repr((*head, self.images.shape)).encode()) for head in self.heads]
        for digest in digests:
            digest.update(np.ascontiguousarray(self.images[:]).data)
        return {"digests": [each.hexdigest() for each in digests], "changes": {}}

    @property
    def heads(self) -> tuple[tuple[Any, ...], ...]:
        """What the digests of the pixels begin with."""
        return heads_of(self.ids, self.labels)

    @property
    def sha256(self) -> str:
        """Of ids, labels and of what reaches the model."""
        return str(self._facts["digests"][0])

    @property
    def pixels_sha256(self) -> str:
        """Of ids and of what reaches the model: files and preprocessing both decide it."""
        return str(self._facts["digests"][1])

    @property
    def labels_sha256(self) -> str | None:
        """Of the images' classes; None where they are not known."""
        return hashlib.sha256(repr(self.labels).encode()).hexdigest() if self.labels else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what was done to images besides decoding: scaled, composited, not turned.
        Of a sample that is not kept on disk the latter is known when its images have been seen."""
        if not self.early and "_facts" not in self.__dict__:
            return self.notes
        changes, total = self._facts["changes"], counted(len(self.ids), "image")
        return (
            *self.notes,
            *(
                f"{self.option}: {len(names):,} of {total}: {change} ({some(names)})"
                for change, names in changes.items()
            ),
        )


def heads_of(ids: Sequence[str], labels: Sequence[int] | None) -> tuple[tuple[Any, ...], ...]:
    return (tuple(ids), labels), (tuple(ids),)


def make_sample(
    photos: Sequence[Photo],
    preprocess: Preprocess,
    class_labels: Mapping[str, int] | None,
    source: str,
    notes: Sequence[str] = (),
    option: str = "--images",
    cache: ArtifactCache | None = None,
    limit_bytes: int = STORED_BYTES,
) -> Sample:
    """Photographs preprocessed, and labelled by `class_labels`. Up to `limit_bytes` all of them are
    read now, unless `cache` has their facts. Raises UserError where one cannot be read or labelled.
    """
    labels, ids = _labels(photos, class_labels), tuple(photo.id for photo in photos)
    files = files_sha256(photos)
    folder = cache.folder if cache else None
    images = Preprocessed(photos, preprocess, heads_of(ids, labels), folder, limit_bytes)
    pixels = identity.of_pixels(files, preprocess)

    def seen() -> Facts:
        if cache and pixels:
            with suppress(UserError):  # of the cache: whoever cannot do without it says so
                known = identity.of_facts(pixels, labels)
                return dict(cache.json(PIXELS, known, images.facts))
        return images.facts()

    early = images.fits or pixels is None
    facts = seen() if early else None
    return Sample(
        ids,
        tuple(photo.cluster for photo in photos),
        labels,
        images,
        source,
        key=key({**pixels, "labels": labels}) if pixels else images.facts()["digests"][0],
        files_sha256=files,
        notes=tuple(notes),
        option=option,
        seen=seen if facts is None else lambda: facts,
        early=early,
    )


def files_sha256(photos: Sequence[Photo]) -> str:
    """Of the text of a list of pairs, name and digest."""
    found = hashlib.sha256(b"[")
    for number, photo in enumerate(photos):
        found.update((", " * bool(number) + repr((photo.id, photo.digest()))).encode())
    found.update(b"]")
    return found.hexdigest()


def _labels(
    photos: Sequence[Photo], class_labels: Mapping[str, int] | None
) -> tuple[int, ...] | None:
    if class_labels is None:
        return None
    for photo in photos:
        if photo.folder is None:
            raise UserError(
                f"{photo.id} lies beside the class folders of --images: "
                "move it into one or remove it"
            )
    return tuple(class_labels[photo.folder] for photo in photos if photo.folder is not None)
