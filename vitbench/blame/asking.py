"""Recipes measured one by one, none twice, and none that would end after the time is up."""

from collections.abc import Callable, Sequence
from time import monotonic

from vitbench.blame.trial import Ask, Refusal, Trial


class Asking:
    """`ask` measures a recipe; `seconds` are all that there are, from now on; `now` is a clock.
    With `answers_interrupt`, Ctrl-C while a recipe is measured ends the time (`interrupted`), and
    the search ends with what it knows."""

    def __init__(
        self,
        ask: Ask,
        seconds: float,
        now: Callable[[], float] = monotonic,
        answers_interrupt: bool = False,
    ) -> None:
        self._ask, self._now, self._answers_interrupt = ask, now, answers_interrupt
        self.interrupted = False
        self._start, self.seconds = now(), seconds
        self._known: dict[tuple[frozenset[str], tuple[int, ...]], Trial | Refusal] = {}
        self._longest: dict[int, float] = {}
        self._build = self._image = 0.0  # seconds: of the slowest build, of the slowest image
        self._lost = False
        self.refusals: list[Refusal] = []

    def left(self) -> float:
        """Seconds until the time is up."""
        return self.seconds - self.spent

    @property
    def spent(self) -> float:
        return self._now() - self._start

    @property
    def asked(self) -> int:
        """How many recipes were measured: a refused one was not."""
        return len(self._known) - len(self.refusals)

    def expected(self, images: int) -> float:
        """How long a recipe may take on so many images: as long as the slowest one so far, but for
        the images beyond as many as that had. 0 where none was measured."""
        if images in self._longest:
            return self._longest[images]
        known = self._longest.items()
        return max((s + self._image * max(0, images - n) for n, s in known), default=0.0)

    def fitting(self, seconds: float) -> int:
        """On how many images a recipe takes at most so many seconds, by those measured so far."""
        return max(0, int((seconds - self._build) / max(self._image, 1e-6)))

    def try_floats(
        self, floats: frozenset[str], rows: Sequence[int], keep: float = 0.0
    ) -> Trial | None:
        """The recipe with these layers in float, on the images of these numbers.

        None where it would end when less than `keep` seconds are left, and where it cannot be
        measured, which `refusals` then say.
        """
        key = floats, tuple(rows)
        if key not in self._known:
            if self.interrupted or self.left() - self.expected(len(rows)) < keep:
                return None
            before = self._now()
            try:
                self._known[key] = found = self._ask(floats, rows)
            except KeyboardInterrupt:
                if not self._answers_interrupt:
                    raise
                self.interrupted = True
                return None
            self._learn(found, self._now() - before, len(rows))
        known = self._known[key]
        return None if isinstance(known, Refusal) else known

    def _learn(self, found: Trial | Refusal, took: float, images: int) -> None:
        """How long recipes take. What follows a refusal took as long as it says itself: the process
        that measures may have been started again, and the model read, before it."""
        after_refusal, self._lost = self._lost, isinstance(found, Refusal)
        if isinstance(found, Refusal):
            self.refusals.append(found)
            if after_refusal:
                return
        else:
            took = found.seconds if after_refusal else took
            self._build = max(self._build, found.build_seconds)
            each = max(0.0, took - found.build_seconds) / max(1, images)
            self._image = max(self._image, each)
        self._longest[images] = max(took, self._longest.get(images, 0.0))
