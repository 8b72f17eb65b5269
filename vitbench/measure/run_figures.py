"""Figures that hold for a whole run: each is measured when it is first asked for, and once."""

from collections.abc import Callable, Sequence

from vitbench.measure.peak import peaks
from vitbench.measure.photos import Photo
from vitbench.measure.stages import usual_seconds
from vitbench.models import Model, flops


class RunFigures:
    """Of models and devices. `model` gives a loaded model by its name, `photos` the images."""

    def __init__(
        self,
        threads: int,
        model: Callable[[str], Model],
        photos: Callable[[], Sequence[Photo]],
        say: Callable[[str], None],
    ) -> None:
        self.measured_peaks: dict[str, dict[str, float]] = {}
        self._threads, self._model, self._photos, self._say = threads, model, photos, say
        self._operations: dict[str, int] = {}
        self._preprocess_seconds: dict[tuple[str, int], float] = {}

    def operations(self, name: str) -> int:
        """Operations that one image takes in a model."""
        if name not in self._operations:
            self._operations[name] = flops(self._model(name))
        return self._operations[name]

    def peaks(self, device: str) -> dict[str, float]:
        """Operations per second of this machine's matrix products, by precision."""
        if device not in self.measured_peaks:
            self._say(f"measuring the peak of {device}")
            self.measured_peaks[device] = peaks(device, self._threads)
        return self.measured_peaks[device]

    def preprocess_seconds(self, name: str, batch: int) -> float:
        """Seconds that preprocessing takes for a batch of photographs that are decoded already."""
        if (name, batch) not in self._preprocess_seconds:
            photos = self._photos()
            images = [photos[number % len(photos)].read() for number in range(batch)]
            preprocess = self._model(name).preprocess
            self._preprocess_seconds[name, batch] = usual_seconds(
                lambda: [preprocess(image) for image in images]
            )
        return self._preprocess_seconds[name, batch]
