"""The images of a run: those that variants are judged on, and those that calibrate static int8."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from vitbench.build.artifacts import ArtifactCache
from vitbench.errors import UserError, counted, some
from vitbench.heads import HEADS
from vitbench.measure.classes import class_indices, order_taken
from vitbench.measure.crops import calibration_photos, default_photos
from vitbench.measure.doubt import doubt
from vitbench.measure.folder import Listing, chosen, listed
from vitbench.measure.label_file import labelled
from vitbench.measure.options import Options
from vitbench.measure.photos import Photo
from vitbench.measure.sample import Sample, make_sample
from vitbench.models import Label, Model

DEFAULT_PHOTOS = 256
CALIBRATION_PHOTOS = 64
CROPS = "scikit-image crops"


class Inputs:
    """Everything is read when it is first asked for, and once. `model` gives a loaded model by its
    name; `say` receives what is found while the run goes on. In `cache`, if given, is what earlier
    runs saw of the images, and on its disk lie those of this run."""

    def __init__(
        self,
        options: Options,
        model: Callable[[str], Model],
        say: Callable[[str], None],
        cache: ArtifactCache | None = None,
    ) -> None:
        self._options, self._model, self._say = options, model, say
        self._cache = cache
        self._samples: dict[str, Sample] = {}
        self._calibrations: dict[str, Sample] = {}
        self._doubts: dict[str, str | None] = {}

    @cached_property
    def _listing(self) -> Listing | None:
        folder, labels = self._options.images, self._options.labels
        if folder is None:
            if labels:
                raise UserError(f"--labels {labels}: give --images=DIR with the images it names")
            return None
        listing = listed(folder, besides=labels)
        return labelled(listing, labels) if labels else listing

    @cached_property
    def photos(self) -> list[Photo]:
        """What variants are judged on. Raises UserError where there is nothing to read."""
        limit = self._options.verify_images
        if self._listing is None:
            return default_photos(min(DEFAULT_PHOTOS, limit))
        return chosen(self._listing, limit)

    @property
    def _option(self) -> str:
        """Where classes come from."""
        return "--labels" if self._options.labels else "--images"

    @property
    def _folders(self) -> list[str]:
        return sorted({photo.folder for photo in self.photos if photo.folder is not None})

    def sample(self, name: str) -> Sample:
        """The photographs, preprocessed for a model; labelled where its classes are the folders or
        a file of labels gives them."""
        if name not in self._samples:
            model, images, folders = self._model(name), self._options.images, self._folders
            labelled = HEADS[model.head].labelled
            names = folders if labelled else []
            indices = class_indices(names, _classes(model), self._option) if names else None
            remarks = list(self._listing.remarks) if self._listing else []
            if indices:
                remarks += order_taken(indices, _classes(model), self._option)
            elif not labelled and folders:
                remarks.append(self._no_classes(model))
            elif self._options.labels:
                raise UserError(
                    f"--labels {self._options.labels}: none of its classes, such as "
                    f"{folders[0]!r}, is one of {name}: give ids, names or indices of its classes"
                )
            elif images and folders:
                remarks.append(self._deeper(model) or self._unknown(model, folders))
            source = images.resolve().name if images else CROPS
            self._samples[name] = make_sample(
                self.photos, model.preprocess, indices, source, remarks, cache=self._cache
            )
        return self._samples[name]

    def _no_classes(self, model: Model) -> str:
        """That a class says nothing of a head. Raises UserError where the user gave classes."""
        if self._options.labels:
            raise UserError(
                f"--labels {self._options.labels}: it gives an image one class, and the head of "
                f"{model.spec.name} is {model.head}: leave the option out"
            )
        return (
            f"--images: the class folders give no accuracy: a folder names one class, and the head "
            f"of {model.spec.name} is {model.head}"
        )

    @staticmethod
    def _unknown(model: Model, folders: Sequence[str]) -> str:
        return (
            f"--images: the images count as unlabelled: no folder ({some(folders)}) is called as a "
            f"class of the model, such as {_classes(model)[0].name}"
        )

    def _deeper(self, model: Model) -> str | None:
        """A sentence where not the folders but those inside them are the model's classes."""
        parts = [photo.id.split("/") for photo in self.photos]
        if not all(len(each) > 2 for each in parts):
            return None
        inner, outer = sorted({each[1] for each in parts}), sorted({each[0] for each in parts})
        try:
            if not class_indices(inner, _classes(model)):
                return None
        except UserError:
            return None
        return (
            f"--images: the images count as unlabelled: {some(outer)} are no classes of the model, "
            f"but the folders inside are: give one of these, such as .../{outer[0]}"
        )

    def doubt(self, name: str, top1: Sequence[int]) -> None:
        """Say it once where another order of the class folders fits these predictions of float32,
        the first of them at least, clearly better."""
        if name in self._doubts or not self._folders or len(top1) < len(self.photos):
            return
        sample, folders = self.sample(name), [photo.folder or "" for photo in self.photos]
        taken = dict(zip(folders, sample.labels, strict=True)) if sample.labels else None
        count = len(self._model(name).labels)
        self._doubts[name] = found = doubt(top1, folders, taken, count, self._option)
        if found:
            self._say(f"{name}: {found}")

    def remarks(self, name: str) -> list[str]:
        """What the user must know of a model's sample, and of its calibration images once read."""
        remarks = [*self.sample(name).remarks]
        if found := self._doubts.get(name):
            remarks.append(found)
        if name in self._calibrations:
            remarks += self._calibrations[name].remarks
        return list(dict.fromkeys(remarks))

    def calibration(self, name: str) -> Sample:
        """Other photographs, by their content, than a variant is judged on, preprocessed.

        Raises UserError where a folder has no others.
        """
        if name not in self._calibrations:
            folder, count, remarks = self._options.calibration, CALIBRATION_PHOTOS, list[str]()
            judged = {photo.content() for photo in self.photos}
            if folder:
                listing = listed(folder, "--calibration")
                photos = chosen(listing, count, without=judged)
                remarks += listing.remarks
                first = {photo.id for photo in chosen(listing, count)}
                if shared := len(first - {photo.id for photo in photos}):
                    remarks.append(
                        f"--calibration: variants are judged on {counted(shared, 'image')} of its "
                        f"first {len(first)}, so others calibrate"
                    )
            else:
                photos = [x for x in calibration_photos(count) if x.content() not in judged]
            if not photos:
                raise UserError(
                    f"--calibration {folder or CROPS}: variants are judged on each of its images, "
                    "and none is left to calibrate: give others, or a lower --verify-images"
                )
            source = folder.resolve().name if folder else CROPS
            self._calibrations[name] = make_sample(
                photos,
                self._model(name).preprocess,
                None,
                source,
                remarks,
                "--calibration",
                self._cache,
            )
        return self._calibrations[name]

    def calibrated(self, name: str) -> dict[str, Any] | None:
        """What static int8 of a model was calibrated on, for a report; None where nothing was."""
        sample = self._calibrations.get(name)
        if sample is None:
            return None
        own, photographs = self._options.calibration is not None, len(set(sample.clusters))
        words = f"calibrated on {counted(len(sample.ids), 'image')} of "
        if own:
            words += f"{sample.source}, on none of which it is judged"
        else:
            words += (
                f"{photographs} photographs ({sample.source}), which may be unlike the images it "
                "will see: --calibration=DIR takes yours"
            )
        return {
            "sentence": words,
            "source": sample.source,
            "own": own,
            "count": len(sample.ids),
            "photographs": photographs,
            "files_sha256": sample.files_sha256,
            "pixels_sha256": sample.pixels_sha256,
        }


def _classes(model: Model) -> tuple[Label, ...]:
    """The classes by which folders may be called: of a binary model no and yes."""
    names = HEADS[model.head].names([label.name for label in model.labels])
    if len(names) == len(model.labels):
        return model.labels
    return tuple(Label(str(index), name) for index, name in enumerate(names))
